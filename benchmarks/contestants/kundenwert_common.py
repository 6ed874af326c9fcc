"""What contestants that are kundenwert share."""

from typing import Any

import kundenwert as kw
from kundenwert.inference.compression import Part
from kundenwert.inference.fitting import pose


def posed(summary: kw.CustomerSummary, role: str) -> Part:
    """One family's part of the problem that `kw.fit` poses: the rows that its likelihood needs, compressed."""
    priors: dict[str, Any] = {"purchase_priors": None, "spend_priors": None}
    problem = pose(summary, purchase="bgnbd", spend="gamma_gamma", pooling="complete", time_unit=None, **priors)
    return {"purchase": problem.purchase, "spend": problem.spend}[role]
