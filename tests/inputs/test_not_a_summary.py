"""A frame where a summary is wanted: every public function that takes one says how to make it."""

import inspect

import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.runs import plots
from value_world import GG, MBG, few_customers, known_posterior

COSTS = pd.DataFrame({"customer_id": ["0"], "date": "1997-01-01", "kind": ["visit"], "amount": [1.0]})
ORDERS = pd.DataFrame({"customer_id": ["0"], "date": "1997-01-01", "spend": [5.0]})
TAKE_FRAMES = {"fit", "build_model", "maximum_likelihood", "churn_figures", "watch_list_date"}


@pytest.fixture(scope="module")
def given():
    posterior, summary = known_posterior(MBG | GG, family="mbgnbd", draws=10), few_customers()
    value = kw.estimate_value(posterior, summary, draws=10, newcomers=20)
    log = kw.read(ORDERS, customer="customer_id", time="date", amount="spend")
    # Nothing is read of the others before the summary is looked at.
    others = {"holdout": None, "tracking": None, "ledger": None, "orders": log, "transactions": log}
    others |= {"economics": None, "attributes": None, "events": kw.read_events(COSTS)}
    others |= {"horizon": "26 weeks", "n": 1, "ids": [summary.table["customer_id"][0]], "peers": ["cohort"]}
    return others | {"posterior": posterior, "value": value, "summary": summary.table}


def takers():
    public = {name: getattr(kw, name) for name in kw.__all__ if name != "plots"}
    public |= {f"plots.{name}": getattr(plots, name) for name in plots.__all__}
    for name, one in public.items():
        if name not in TAKE_FRAMES and inspect.isfunction(one) and "summary" in inspect.signature(one).parameters:
            yield name, one
    yield "Snapshot", kw.Snapshot


TAKERS = dict(takers())


def test_all_of_them_are_tried():
    named = {"estimate_value", "assess", "segment", "value_draws", "payback", "explain_room", "p_alive", "ledger"}
    assert named < set(TAKERS)
    assert len(TAKERS) > 25


@pytest.mark.parametrize("name", TAKERS)
def test_a_frame_is_told_from_a_summary(name, given):
    wanted = inspect.signature(TAKERS[name]).parameters.values()
    needed = [one.name for one in wanted if one.default is one.empty and one.kind is not one.VAR_KEYWORD]
    arguments = {one: given[one] for one in needed}
    with pytest.raises(kw.UsageError, match=r"a DataFrame is no CustomerSummary.*kw\.as_summary"):
        TAKERS[name](**arguments)


@pytest.mark.parametrize("name", ["churn_figures", "watch_list_date"])
def test_who_takes_frames_reads_them(name, given):
    found = getattr(kw, name)(given["posterior"], given["summary"], draws=10)
    table = found if isinstance(found, pd.DataFrame) else found.table
    assert table["customer_id"].tolist() == given["summary"]["customer_id"].tolist()
