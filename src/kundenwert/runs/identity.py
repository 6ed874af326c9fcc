"""Which run is which: a fingerprint of the data, and an id that changes with the spec, the data or the format."""

import datetime
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from kundenwert.names import FORMAT_VERSION

if TYPE_CHECKING:
    import pandas as pd

HASH_LENGTH = 8
DECIMALS = 6
_MISSING = "\0missing"


def run_id(spec_canonical: str, fingerprint: str, as_of: datetime.date) -> str:
    """`<as_of>-<hash8>` from the canonical spec (as-of filled in), the data's fingerprint and the format version.

    >>> run_id("{}", "0" * 64, datetime.date(1997, 9, 30))
    '1997-09-30-358e5da2'
    """
    parts = "\n".join((spec_canonical, fingerprint, str(FORMAT_VERSION)))
    return f"{as_of.isoformat()}-{hashlib.sha256(parts.encode()).hexdigest()[:HASH_LENGTH]}"


def data_fingerprint(*tables: "pd.DataFrame") -> str:
    """SHA-256 in hex over what tables say, not over how a file holds it.

    The order of rows and columns, the type of the ids, and the last digits that depend on the order in which an engine
    adds up change nothing.

    Parameters
    ----------
    tables : the customer summary, and more where a run depends on more; the first column of each is its key.
    """
    digest = hashlib.sha256()
    for table in tables:
        keys = _texts(table.iloc[:, 0])
        order = np.argsort(keys, kind="stable")
        digest.update(f"{len(keys)} rows\n".encode())
        _add(digest, str(table.columns[0]), keys[order])
        for column in sorted(table.columns[1:].astype(str)):
            _add(digest, column, _content(table, column)[order])
    return digest.hexdigest()


def _add(digest: Any, column: str, values: np.ndarray[Any, Any]) -> None:
    digest.update(f"{column} {values.dtype.kind}\n".encode())
    if values.dtype.kind == "f":
        digest.update(values.astype("<f8").tobytes())
        return
    encoded = [text.encode() for text in values]
    digest.update(np.asarray([len(text) for text in encoded], dtype="<i8").tobytes())
    digest.update(b"".join(encoded))


def _content(table: "pd.DataFrame", column: str) -> np.ndarray[Any, Any]:
    """A column as rounded floats or as texts."""
    series = table[column]
    if series.dtype.kind not in "biuf":
        return _texts(series)
    numbers = series.to_numpy(dtype=np.float64, na_value=np.nan)
    if column == "monetary_value" and "spend_days" in table:
        # A mean has endless digits, so some customer always lies where rounding flips with the order of summation;
        # a sum of amounts in cents lies far from there.
        numbers = numbers * table["spend_days"].to_numpy(dtype=np.float64)
    rounded = np.round(numbers, DECIMALS) + 0.0  # -0.0 and 0.0 are one number with two byte patterns, and so are NaNs
    return np.where(np.isnan(rounded), np.nan, rounded)


def _texts(series: "pd.Series[Any]") -> np.ndarray[Any, Any]:
    """Every entry as text; days read alike whether they are stored as dates or as timestamps."""
    values = series.to_numpy()
    if values.dtype.kind == "M":
        values = np.datetime_as_string(values, unit="D")
    missing = series.isna().to_numpy()
    texts = [_MISSING if gone else str(value) for value, gone in zip(values, missing, strict=True)]
    return np.array(texts, dtype=object)
