"""Probabilistic customer lifetime value: posterior CLV, churn probability and IDIC segments.

The public names are listed in `__init__.pyi`; each is imported when it is first used, so that scoring loads no sampler.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
