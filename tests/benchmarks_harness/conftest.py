"""The harness is no part of the package: its folder is put on the path, as `python benchmarks/run.py` does."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
