"""What customers spend in the whole category, as far as it is known, and the attributes that carry it over to others.

A wallet is read as the logarithm of money per time unit, a share of it as the logarithm of how many times the spending
here it is: both then say the same thing of a customer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.errors import DataError, UsageError, Violation, did_you_mean
from kundenwert.names import SUMMARY_TABLE
from kundenwert.units import TimeUnit
from kundenwert.value.counters import FloatArray, KeyArray
from kundenwert.value.variates import IntArray

SURVEYED = 20_000  # customers that the model of wallets is fitted to at most: their mean is known to a hundredth then
PEERS = 2_000  # customers of a cohort whose shares say what is attainable
LEAST_OF_LEVEL = 10  # known wallets without which a category has no effect of its own


@dataclass(frozen=True, eq=False)
class WalletData:
    """Wallets as far as they are known.

    Parameters
    ----------
    stated : (customer,) log wallet in money per time unit, or log of the multiple of spending where `relative`; NaN
        where unknown.
    error : (customer,) standard error of the logarithm, 0 where a wallet is exact.
    relative : whether shares were given, so that `stated` is -log share.
    covariates : (customer, attribute) numbers or text, as the summary has them.
    """

    stated: FloatArray
    error: FloatArray
    relative: bool
    covariates: pd.DataFrame

    def __len__(self) -> int:
        return len(self.stated)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(customer,) whether anything was stated."""
        return ~np.isnan(self.stated)

    @property
    def known_share(self) -> float:
        """Share of customers whose wallet is known; the others' are drawn from a model."""
        return float(self.known.mean())

    def take(self, rows: IntArray) -> "WalletData":
        """Some of the customers."""
        return WalletData(self.stated[rows], self.error[rows], self.relative, self.covariates.iloc[rows])


def read_wallets(
    table: pd.DataFrame,
    *,
    wallet: str | None = None,
    wallet_error: float | str | None = None,
    share: str | None = None,
    covariates: Sequence[str] = (),
    time_unit: TimeUnit | str,
) -> WalletData:
    """Wallets and covariates of each customer, from columns of the summary.

    Parameters
    ----------
    table : customer summary with attributes.
    wallet : column (`column:NAME` or its name) of money per year in the whole category; missing where unknown.
    wallet_error : standard error of its logarithm (0.2: about 20 %), a number or a column. None: wallets are exact.
    share : instead of a wallet, the column of the share of it that is spent here, in (0, 1].
    covariates : columns of numbers, of true and false, or of text. What is made of a customer's own orders is refused:
        it would be on both sides of the equation.
    time_unit : of the posterior.

    Returns
    -------
    WalletData

    Raises
    ------
    UsageError : neither or both of wallet and share, an error of a share, or one that cannot be.
    DataError : columns that are missing, wallets that are not positive, shares outside (0, 1], errors that are missing
        or negative, covariates made of orders or not finite: all in one message.

    Notes
    -----
    docs/statistics.md, section Wallets.

    Examples
    --------
    >>> people = pd.DataFrame({"customer_id": ["a", "b"], "wallet": [365.25, None], "region": ["north", "south"]})
    >>> data = read_wallets(people, wallet="column:wallet", covariates=["region"], time_unit="day")
    >>> np.exp(data.stated).round(9).tolist(), data.known_share
    ([1.0, nan], 0.5)
    """
    _check_usage(wallet, wallet_error, share)
    column = (wallet or share or "").removeprefix("column:")
    given = wallet_error.removeprefix("column:") if isinstance(wallet_error, str) else None
    broken = [_absent(name, table) for name in (column, given, *covariates) if name is not None and name not in table]
    amount, found = _numbers(table, column)
    broken += found
    ids, known = table["customer_id"].to_numpy(), ~np.isnan(amount)
    if share is None:
        broken += _rows(
            known & ~((amount > 0) & np.isfinite(amount)),
            ids,
            f"wallet (column {column!r}) is not positive and finite",
            "It is money per year. Leave it empty where it is not known.",
        )
    else:
        broken += _rows(
            known & ~((amount > 0) & (amount <= 1)),
            ids,
            f"share (column {column!r}) lies outside (0, 1]",
            "Write 0.25 for a quarter, and leave it empty where it is not known.",
        )
    error = np.full(len(table), 0.0 if wallet_error is None or given is not None else float(wallet_error))
    if given is not None:
        error, found = _numbers(table, given)
        broken += found
        broken += _rows(
            known & ~(np.isfinite(error) & (error >= 0)),
            ids,
            f"wallet_error (column {given!r}) is missing, negative or infinite",
            "It is the standard error of the logarithm: 0.2 for about 20 %, 0 where a wallet is exact.",
        )
    broken += _about_covariates(table, covariates)
    if broken:
        raise DataError("customer summary", broken)
    with np.errstate(invalid="ignore"):
        stated = np.log(amount / TimeUnit.parse(time_unit).per_year) if share is None else -np.log(amount)
    return WalletData(stated, np.where(known, error, 0.0), share is not None, table[list(covariates)])


def survey_rows(data: WalletData, keys: KeyArray, most: int = SURVEYED) -> IntArray:
    """Positions of the customers that a model is fitted to: all whose wallet is known, or as many with the least keys.

    Parameters
    ----------
    keys : (customer,) hashes of ids, which make the choice random and the same in whatever order customers come.
    """
    return _least(np.flatnonzero(data.known), keys, most)


def peer_rows(cohort: IntArray, keys: KeyArray, most: int = PEERS) -> IntArray:
    """Positions of the peers of each cohort whose shares say what is attainable there, chosen as in `survey_rows`."""
    chosen = [_least(np.flatnonzero(cohort == each), keys, most) for each in np.unique(cohort)]
    return np.concatenate([np.zeros(0, dtype=np.int64), *chosen])


@dataclass(frozen=True)
class Regressor:
    """One column of the regression, made of an attribute.

    Parameters
    ----------
    column : the attribute.
    level : the text that it stands for; None for a number.
    centre, scale : of a number, that it is standardised by.
    missing : stands for "not known" instead.
    """

    column: str
    level: str | None = None
    centre: float = 0.0
    scale: float = 1.0
    missing: bool = False

    @property
    def label(self) -> str:
        """As a table of coefficients names it."""
        if self.missing:
            return f"{self.column} is not known"
        return self.column if self.level is None else f"{self.column} = {self.level}"

    def of(self, values: "pd.Series[Any]") -> FloatArray:
        """(customer,) the column, from the attribute's values."""
        if self.missing:
            return np.asarray(values.isna(), dtype=np.float64)
        if self.level is not None:
            return np.asarray(_texts(values) == self.level, dtype=np.float64)
        numbers = (_as_numbers(values) - self.centre) / self.scale
        return np.nan_to_num(numbers, nan=0.0)


def regressors_of(data: WalletData) -> tuple[Regressor, ...]:
    """The columns of the regression that known wallets can say something about, besides the intercept.

    Numbers are standardised. A category, or "not known", has an effect of its own from ten known wallets on; the
    others, and the most frequent category where there are no others, are what the intercept stands for.
    """
    found: list[Regressor] = []
    surveyed = data.covariates[data.known]
    for name in map(str, surveyed.columns):
        values = surveyed[name]
        absent = int(values.isna().sum())
        if _is_text(values):
            counts = _texts(values.dropna()).value_counts().sort_index()
            levels = counts[counts >= LEAST_OF_LEVEL]
            if len(levels) == len(counts) and absent < LEAST_OF_LEVEL:
                levels = levels.drop(levels.idxmax()) if len(levels) else levels
            found += [Regressor(name, level=str(level)) for level in levels.index]
        else:
            numbers = _as_numbers(values)
            numbers = numbers[~np.isnan(numbers)]
            spread = float(numbers.std()) if len(numbers) else 0.0
            if len(numbers) >= LEAST_OF_LEVEL and spread > 0:
                found.append(Regressor(name, centre=float(numbers.mean()), scale=spread))
        if LEAST_OF_LEVEL <= absent <= len(values) - LEAST_OF_LEVEL:
            found.append(Regressor(name, missing=True))
    return tuple(found)


def design(regressors: Sequence[Regressor], covariates: pd.DataFrame) -> FloatArray:
    """(customer, 1 + regressor) the intercept and the columns of the regression."""
    columns = [regressor.of(covariates[regressor.column]) for regressor in regressors]
    return np.column_stack([np.ones(len(covariates)), *columns])


def _check_usage(wallet: str | None, wallet_error: float | str | None, share: str | None) -> None:
    if (wallet is None) == (share is None):
        raise UsageError("wallets need a column of wallets or one of shares, and not both. Write wallet='column:NAME'.")
    if share is not None and wallet_error is not None:
        raise UsageError("wallet_error is that of a wallet, and shares were given. State wallets, or leave it out.")
    if isinstance(wallet_error, float | int) and not 0 <= wallet_error < np.inf:
        raise UsageError(f"wallet_error {wallet_error!r} must be finite and not negative, for example 0.2.")


def _absent(name: str, table: pd.DataFrame) -> Violation:
    hint = did_you_mean(name, map(str, table.columns)).strip()
    return Violation(f"column {name!r} is not in the customer summary", remedy=hint or "Add it to the attributes.")


def _rows(bad: npt.NDArray[np.bool_], ids: npt.NDArray[np.object_], rule: str, remedy: str) -> list[Violation]:
    return [Violation(rule, int(bad.sum()), ids[bad].tolist(), remedy, "customer")] if bad.any() else []


def _numbers(table: pd.DataFrame, column: str) -> tuple[FloatArray, list[Violation]]:
    """The numbers of a column, NaN where none, and what is wrong with those that are no numbers."""
    if column not in table:
        return np.full(len(table), np.nan), []
    values = table[column]
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    text = values.notna().to_numpy() & np.isnan(numbers)
    rule = f"column {column!r} is not a number"
    return numbers, _rows(text, table["customer_id"].to_numpy(), rule, "Correct it, or leave it empty.")


def _about_covariates(table: pd.DataFrame, names: Sequence[str]) -> list[Violation]:
    found = []
    for name in names:
        if name in SUMMARY_TABLE and name != "cohort":
            remedy = "Take attributes that were there before the first order, such as a region or a size."
            found.append(Violation(f"covariate {name!r} is made of the customer's own orders", remedy=remedy))
        elif name in table and not _is_text(table[name]):
            infinite = np.isinf(_as_numbers(table[name]))
            ids = table["customer_id"].to_numpy()
            found += _rows(infinite, ids, f"covariate {name!r} is infinite", "Correct it, or leave it empty.")
    return found


def _is_text(values: "pd.Series[Any]") -> bool:
    return not (pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values))


def _texts(values: "pd.Series[Any]") -> "pd.Series[str]":
    return values.astype("str").str.strip()


def _as_numbers(values: "pd.Series[Any]") -> FloatArray:
    return np.asarray(values.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan))


def _least(rows: IntArray, keys: KeyArray, most: int) -> IntArray:
    if len(rows) <= most:
        return rows
    return np.sort(rows[np.argsort(keys[rows], kind="stable")[:most]])
