"""The CDNOW log as the field splits it: calibration to 1997-09-30, 39 weeks of holdout, weeks, same-day rows merged."""

import pytest

from kundenwert.customers.holdout import Holdout, split
from kundenwert.customers.summary import CustomerSummary
from kundenwert.inference.point_estimates import MaximumLikelihood, maximum_likelihood

COLUMNS = {"customer": "customer_id", "time": "date", "amount": "spend"}


@pytest.fixture(scope="session")
def sample_split() -> tuple[CustomerSummary, Holdout]:
    return split("example:cdnow-sample", "1997-09-30", **COLUMNS)


@pytest.fixture(scope="session")
def master_split() -> tuple[CustomerSummary, Holdout]:
    return split("example:cdnow", "1997-09-30", **COLUMNS)


@pytest.fixture(scope="session")
def sample_fits(sample_split) -> dict[str, MaximumLikelihood]:
    return {name: maximum_likelihood(sample_split[0], name) for name in ("bgnbd", "mbgnbd", "gamma_gamma")}


@pytest.fixture(scope="session")
def master_fits(master_split) -> dict[str, MaximumLikelihood]:
    return {name: maximum_likelihood(master_split[0], name) for name in ("bgnbd", "gamma_gamma")}
