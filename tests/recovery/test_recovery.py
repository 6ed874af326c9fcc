"""Parameters of simulated bases are recovered, and ranks of the truth are uniform (simulation-based calibration).

Talts, Betancourt, Simpson, Vehtari, Gelman (2018). Run with `uv run pytest -m long tests/recovery`.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import kundenwert as kw
from kundenwert.customers import as_summary
from kundenwert.families import GAMMA_GAMMA, NormalPrior, get_family

SIMULATIONS = 120
CUSTOMERS = 400
BINS = 10
# Narrow enough that every simulated base can be fitted, wide enough that ranks would show a wrong likelihood.
PURCHASE_PRIORS = {
    "log_r": NormalPrior(np.log(0.5), 0.5),
    "log_alpha_over_T": NormalPrior(np.log(0.3), 0.5),
    "logit_phi": NormalPrior(-1.0, 0.5),
    "log_kappa": NormalPrior(np.log(3.0), 0.5),
}
SPEND_PRIORS = {
    "log_p": NormalPrior(np.log(4.0), 0.4),
    "log_q_minus_1": NormalPrior(np.log(2.0), 0.4),
    "log_mean_over_z": NormalPrior(0.0, 0.4),
}


def draw(priors: dict[str, NormalPrior], rng: np.random.Generator) -> dict[str, float]:
    return {name: rng.normal(prior.mean, prior.sd) for name, prior in priors.items()}


@pytest.mark.long
@pytest.mark.parametrize("name", ["bgnbd", "mbgnbd"])
def test_ranks_are_uniform(name: str) -> None:
    """Truth drawn from the prior, data from the truth: its rank among independent posterior draws is uniform.

    The scale of the purchase coordinates is the median T, fixed here by giving every customer the same age. The scale
    of spend is the data's own median, so that truth is put on it after the fact: the prior is then that of the fit.
    """
    family, rng = get_family(name), np.random.default_rng(20260101)
    ranks: dict[str, list[int]] = {}
    for simulation in range(SIMULATIONS):
        theta = family.constrain(draw(PURCHASE_PRIORS, rng), 40.0)
        x, t_x = family.simulate(theta, np.full(CUSTOMERS, 40.0), rng)
        spend = {**draw(SPEND_PRIORS, rng)}
        truth = GAMMA_GAMMA.constrain(spend, 30.0)
        n = np.maximum(x, 1)
        zbar = GAMMA_GAMMA.simulate(truth, n.astype(float), rng)
        table = pd.DataFrame(
            {"customer_id": np.arange(CUSTOMERS), "frequency": x, "recency": t_x, "T": 40.0, "monetary_value": zbar}
        )
        table.loc[x == 0, "monetary_value"] = 0.0
        posterior = kw.fit(
            as_summary(table, time_unit="week"),
            purchase=name,
            pooling="complete",
            engine=kw.Nuts(draws=800, chains=2, tune=500),
            purchase_priors=PURCHASE_PRIORS,
            seed=simulation,
        )
        for parameter in family.parameters:
            draws = posterior.thinned(99)[parameter][:, 0]
            ranks.setdefault(parameter, []).append(int((draws < theta[parameter]).sum()))
    for parameter, found in ranks.items():
        counts = np.histogram(found, bins=BINS, range=(0, 100))[0]
        assert stats.chisquare(counts).pvalue > 0.001, (parameter, counts)


@pytest.mark.long
def test_spend_ranks_are_uniform() -> None:
    """The same for Gamma-Gamma, with the prior's scale held at the truth's by a narrow prior of the mean."""
    rng = np.random.default_rng(7)
    ranks: dict[str, list[int]] = {}
    from kundenwert.inference.compression import Fit, Part
    from kundenwert.inference.engines import Nuts

    for simulation in range(SIMULATIONS):
        truth = GAMMA_GAMMA.constrain(draw(SPEND_PRIORS, rng), 30.0)
        n = rng.integers(1, 6, CUSTOMERS).astype(float)
        zbar = GAMMA_GAMMA.simulate(truth, n, rng)
        rows = GAMMA_GAMMA.compress(n, zbar, np.zeros(CUSTOMERS, dtype=np.int64), 1)
        part = Part("spend", GAMMA_GAMMA, SPEND_PRIORS, False, (Fit("all", ("all",), rows, 30.0),))
        draws, _ = Nuts(draws=800, chains=2, tune=500).sample_part(part, simulation)
        for parameter in GAMMA_GAMMA.parameters:
            kept = draws[parameter].reshape(-1)[:: 800 // 99][:99]
            ranks.setdefault(parameter, []).append(int((kept < truth[parameter]).sum()))
    for parameter, found in ranks.items():
        counts = np.histogram(found, bins=BINS, range=(0, 100))[0]
        assert stats.chisquare(counts).pvalue > 0.001, (parameter, counts)


def observed(customers: int, cohort: str, purchase: str, theta: dict[str, float], seed: int) -> pd.DataFrame:
    """Summaries in continuous time: a log of whole days merges orders of one day, which biases alpha upwards."""
    rng = np.random.default_rng(seed)
    T = rng.uniform(27.0, 39.0, customers)
    x, t_x = get_family(purchase).simulate(theta, T, rng)
    zbar = GAMMA_GAMMA.simulate(theta, np.maximum(x, 1).astype(float), rng)
    return pd.DataFrame(
        {
            "customer_id": [f"{cohort}{i}" for i in range(customers)],
            "cohort": cohort,
            "frequency": x,
            "recency": t_x,
            "T": T,
            "monetary_value": np.where(x > 0, zbar, 0.0),
        }
    )


@pytest.mark.long
@pytest.mark.parametrize("pooling", ["complete", "none", "partial"])
@pytest.mark.parametrize("purchase", ["bgnbd", "mbgnbd"])
def test_known_parameters_are_recovered(purchase: str, pooling: str) -> None:
    """Every parameter of two cohorts of 4,000 customers lies in its central 99.9 % posterior interval."""
    one = {"r": 0.6, "alpha": 6.0, "a": 0.9, "b": 2.5, "p": 5.0, "q": 3.5, "v": 15.0}
    other = one if pooling == "complete" else {**one, "r": 0.9, "a": 0.5, "v": 22.0}
    truth = {"one": one, "other": other}
    table = pd.concat([observed(4000, name, purchase, theta, 12 + len(name)) for name, theta in truth.items()])
    posterior = kw.fit(as_summary(table, time_unit="week"), purchase=purchase, pooling=pooling)
    for index, cohort in enumerate(posterior.cohorts):
        for name, value in truth[cohort].items():
            low, high = np.quantile(posterior.draws[name][..., index], [0.0005, 0.9995])
            assert low < value < high, (cohort, name, value, low, high)


@pytest.mark.long
def test_the_master_passes_its_own_check_with_the_defaults() -> None:
    """CDNOW's master log, partial pooling of three monthly cohorts, default engine, priors and seed."""
    summary, holdout = kw.split(
        kw.examples.cdnow(), "1997-09-30", customer="customer_id", time="date", amount="spend", currency="USD"
    )
    posterior = kw.fit(summary)
    checks = {f.name: f for f in kw.check(posterior, summary, tracking=kw.track(posterior, summary, holdout)).findings}
    assert posterior.engine == "gibbs"
    assert checks["chains agree (R-hat)"].value <= 1.01
    assert checks["enough independent draws (ESS)"].value >= 400
    assert checks["dropout is identified"].verdict == "PASS"
    assert checks["mean spend exists (q, maximum likelihood)"].verdict == "PASS"
    assert checks["repeat orders after the cut"].verdict == "PASS"
