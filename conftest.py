"""Fixtures of tests and of the examples in docstrings: the CDNOW sample, and posteriors of it, made once a session."""

import datetime as dt

import pytest
from hypothesis import HealthCheck, settings

import kundenwert as kw

pytest_plugins = ["figures"]

settings.register_profile("kundenwert", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kundenwert")

CUT = dt.date(1997, 9, 30)


def split_sample(cohort: str) -> tuple[kw.CustomerSummary, kw.Holdout]:
    return kw.split(
        kw.examples.cdnow_sample(),
        CUT,
        customer="customer_id",
        time="date",
        amount="spend",
        cohort=cohort,
        currency="USD",
    )


@pytest.fixture(scope="session")
def sample() -> tuple[kw.CustomerSummary, kw.Holdout]:
    """The CDNOW sample to 1997-09-30 as one cohort, and its 39 held-out weeks."""
    return split_sample("all")


@pytest.fixture(scope="session")
def monthly_sample() -> tuple[kw.CustomerSummary, kw.Holdout]:
    """The same in three monthly cohorts."""
    return split_sample("month")


@pytest.fixture(scope="session")
def sample_posterior(sample: tuple[kw.CustomerSummary, kw.Holdout]) -> kw.Posterior:
    """BG/NBD and Gamma-Gamma on the sample, default engine and priors."""
    return kw.fit(sample[0], pooling="complete")


@pytest.fixture(scope="session")
def sample_posterior_mbg(sample: tuple[kw.CustomerSummary, kw.Holdout]) -> kw.Posterior:
    """MBG/NBD and Gamma-Gamma on the sample."""
    return kw.fit(sample[0], purchase="mbgnbd", pooling="complete")


@pytest.fixture(autouse=True)
def names_in_examples(request: pytest.FixtureRequest, doctest_namespace: dict[str, object]) -> None:
    """What examples take for granted: `kw`, and where they are named `summary`, `holdout` and `posterior`."""
    if not isinstance(request.node, pytest.DoctestItem):
        return
    code = "".join(example.source for example in request.node.dtest.examples)
    doctest_namespace["kw"] = kw
    if "summary" in code or "holdout" in code:
        doctest_namespace["summary"], doctest_namespace["holdout"] = request.getfixturevalue("sample")
    if "posterior" in code:
        doctest_namespace["posterior"] = request.getfixturevalue("sample_posterior")
