"""The example logs as data frames."""

import pandas as pd

from kundenwert.customers.examples import cdnow, cdnow_sample
from kundenwert.customers.summary import summarize


def test_columns_and_types():
    for load, rows in ((cdnow, 69_659), (cdnow_sample, 6_919)):
        log = load()
        assert list(log.columns) == ["customer_id", "date", "quantity", "spend"]
        assert len(log) == rows
        assert pd.api.types.is_datetime64_dtype(log["date"])
        assert pd.api.types.infer_dtype(log["customer_id"]) == "string"
        assert log.notna().all(axis=None)


def test_a_frame_and_its_name_in_a_spec_give_the_same_summary():
    settings = {"customer": "customer_id", "time": "date", "amount": "spend", "observation_end": "1997-09-30"}
    named = summarize("example:cdnow-sample", **settings).table
    pd.testing.assert_frame_equal(summarize(cdnow_sample(), **settings).table, named, check_exact=True)
