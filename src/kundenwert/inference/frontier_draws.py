"""The parameter draws that the peers' frontier rests on, kept as they were when each cohort first appeared.

A frontier that followed every retraining would move customers over the mark of growable because their peers are known
better, not because of anything that they did (docs/decisions.md).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kundenwert.errors import RunError
from kundenwert.units import Currency, TimeUnit

if TYPE_CHECKING:
    import xarray as xr

    from kundenwert.inference.posterior import Posterior


@dataclass(frozen=True, repr=False)
class FrontierDraws:
    """Frozen parameter draws.

    Parameters
    ----------
    theta : name -> (draw, cohort); rates per `time_unit`, `v` in `currency`.
    cohorts : labels, in the order of the last axis; those that have left the base stay, in case they come back.
    purchase_family, spend_family : what the parameters are those of.
    """

    theta: Mapping[str, np.ndarray]
    cohorts: tuple[str, ...]
    time_unit: TimeUnit
    currency: Currency | None
    purchase_family: str
    spend_family: str

    @property
    def n_draws(self) -> int:
        """Draws of each cohort."""
        return int(next(iter(self.theta.values())).shape[0])

    def fits(self, posterior: "Posterior") -> bool:
        """Whether a posterior's parameters mean the same: families, time unit and currency."""
        return _meaning(self) == _meaning(posterior)

    def of(self, labels: Iterable[str], draws: int) -> dict[str, np.ndarray]:
        """Some cohorts, evenly thinned, or repeated where more draws are wanted than were kept.

        Returns
        -------
        name -> (draw, cohort), the frozen draws themselves where as many are wanted.

        Raises
        ------
        RunError : a cohort that is not frozen.
        """
        position = {label: i for i, label in enumerate(self.cohorts)}
        wanted = list(labels)
        if unknown := [label for label in wanted if label not in position]:
            raise RunError(f"the frontier of {', '.join(unknown[:5])} is not frozen yet: extend it first.")
        columns = [position[label] for label in wanted]
        return {name: values[_even(self.n_draws, draws)][:, columns] for name, values in self.theta.items()}

    def to_dataset(self) -> "xr.Dataset":
        """The group `frontier` of a saved posterior."""
        import xarray as xr

        arrays = {name: (("frontier_draw", "cohort"), values) for name, values in self.theta.items()}
        attrs = {
            "time_unit": self.time_unit.value,
            "currency": str(self.currency) if self.currency else "",
            "purchase_family": self.purchase_family,
            "spend_family": self.spend_family,
        }
        return xr.Dataset(arrays, coords={"cohort": list(self.cohorts)}, attrs=attrs)

    @classmethod
    def from_dataset(cls, group: "xr.Dataset") -> "FrontierDraws":
        """What `to_dataset` made."""
        return cls(
            theta={str(name): values.to_numpy() for name, values in group.data_vars.items()},
            cohorts=tuple(str(label) for label in group["cohort"].to_numpy()),
            time_unit=TimeUnit(group.attrs["time_unit"]),
            currency=Currency(group.attrs["currency"]) if group.attrs["currency"] else None,
            purchase_family=group.attrs["purchase_family"],
            spend_family=group.attrs["spend_family"],
        )

    def __repr__(self) -> str:
        return f"<FrontierDraws {len(self.cohorts):,} cohorts, {self.n_draws:,} draws, per {self.time_unit.value}>"


def extend(frozen: FrontierDraws | None, posterior: "Posterior", draws: int) -> FrontierDraws:
    """Frozen draws with the cohorts that they lack, as this posterior knows them: each joins where it first appears.

    Parameters
    ----------
    frozen : of the run before; None freezes all of this posterior.
    draws : for each cohort, where nothing is frozen yet; all that there are where there are fewer.

    Raises
    ------
    RunError : parameters of the frozen draws mean something else. Freeze anew, with the thresholds.

    Examples
    --------
    >>> frozen = extend(None, posterior, 100)
    >>> extend(frozen, posterior, 400) is frozen
    True
    """
    if frozen is None:
        return FrontierDraws(posterior.thinned(draws), posterior.cohorts, *_meaning(posterior))
    if not frozen.fits(posterior):
        raise RunError(
            f"the frozen frontier is one of {_words(frozen)}, the posterior one of {_words(posterior)}: "
            "levels of the one are none of the other. Derive the frontier anew, with the thresholds."
        )
    new = [i for i, label in enumerate(posterior.cohorts) if label not in set(frozen.cohorts)]
    if not new:
        return frozen
    rows = _even(posterior.n_draws, frozen.n_draws)
    theta = {
        name: np.concatenate([frozen.theta[name], values[rows][:, new]], axis=1)
        for name, values in posterior.thinned().items()
    }
    labels = (*frozen.cohorts, *(posterior.cohorts[i] for i in new))
    return FrontierDraws(theta, labels, *_meaning(frozen))


def _even(total: int, wanted: int) -> np.ndarray:
    """(wanted,) positions among so many draws, evenly spread."""
    return (np.arange(wanted) * total) // wanted


def _meaning(draws: "FrontierDraws | Posterior") -> tuple[TimeUnit, Currency | None, str, str]:
    return draws.time_unit, draws.currency, draws.purchase_family, draws.spend_family


def _words(draws: "FrontierDraws | Posterior") -> str:
    money = f" in {draws.currency}" if draws.currency else ""
    return f"{draws.purchase_family} and {draws.spend_family} per {draws.time_unit.value}{money}"
