"""The CDNOW log, the field's common example, read from the package data of lifetimes 0.11.3 without importing it.

The extra `examples` brings the files: `pip install 'kundenwert[examples]'`.
"""

from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from kundenwert.errors import DataError, Violation

EXAMPLES = ("cdnow", "cdnow-sample")
_FILES = {"cdnow": "CDNOW_master.txt", "cdnow-sample": "CDNOW_sample.txt"}


def _locate(name: str) -> Path:
    # find_spec of a top-level package looks it up and runs none of its code: importing lifetimes pulls in autograd.
    spec = find_spec("lifetimes")
    for folder in spec.submodule_search_locations or () if spec is not None else ():
        path = Path(folder) / "datasets" / _FILES[name]
        if path.is_file():
            return path
    remedy = "Install the extra that brings it: pip install 'kundenwert[examples]' (or: uv add 'kundenwert[examples]')."
    raise DataError(f"example:{name}", [Violation("the CDNOW log is not installed", remedy=remedy)])


def _load(name: str, columns: list[str], header_lines: int) -> pd.DataFrame:
    text = {"customer_id": str, "master_id": str, "date": str}
    log = pd.read_csv(_locate(name), sep=r"\s+", names=columns, skiprows=header_lines, header=None, dtype=text)
    log["date"] = pd.to_datetime(log["date"], format="%Y%m%d").astype("datetime64[us]")
    return log[["customer_id", "date", "quantity", "spend"]]


def cdnow() -> pd.DataFrame:
    """The full CDNOW log: 23,570 customers who first bought in January to March 1997, followed to June 1998.

    Returns
    -------
    (69,659,) rows of `customer_id` (text, `00001`), `date` (day), `quantity` (CDs), `spend` (USD), in file order.

    Raises
    ------
    DataError
        Where the extra `examples` is not installed.

    Examples
    --------
    >>> orders = cdnow()
    >>> orders["customer_id"].nunique(), round(float(orders["spend"].sum()), 2)
    (23570, 2500315.63)

    References
    ----------
    Fader & Hardie (2001), "Forecasting repeat sales at CDNOW: a case study".
    """
    return _load("cdnow", ["customer_id", "date", "quantity", "spend"], header_lines=1)


def cdnow_sample() -> pd.DataFrame:
    """The 1/10 sample of the CDNOW log on which the BG/NBD papers report their figures.

    The file has two ids for each customer. `customer_id` is the second, the number within the sample (`0001` to
    `2357`), because the papers' single customers ("customer 1516") are counted that way; both identify a customer.

    Returns
    -------
    (6,919,) rows of `customer_id` (text, `0001`), `date` (day), `quantity` (CDs), `spend` (USD), in file order.

    Raises
    ------
    DataError
        Where the extra `examples` is not installed.

    Examples
    --------
    >>> cdnow_sample()["customer_id"].nunique()
    2357

    References
    ----------
    Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way.
    """
    return _load("cdnow-sample", ["master_id", "customer_id", "date", "quantity", "spend"], header_lines=0)


def load(name: str) -> pd.DataFrame:
    """An example log by its name in a spec: `cdnow` or `cdnow-sample`."""
    return cdnow() if name == "cdnow" else cdnow_sample()
