"""Undecided customers: those worth waiting for, and those whose next months would tell too little."""

import numpy as np
import numpy.typing as npt

from kundenwert.decisions.evsi.waiting import RESOLVABLE
from kundenwert.decisions.losses import FloatArray
from kundenwert.names import Status


def statuses(
    undecided: npt.NDArray[np.bool_], waiting: FloatArray, resolvable: float = RESOLVABLE
) -> npt.NDArray[np.object_]:
    """How firm each label is.

    Parameters
    ----------
    undecided : (customer,) whether even the label of least expected loss would be too dear.
    waiting : (customer,) see `values_of_waiting`; read of undecided customers only.
    resolvable : the value from which waiting is the decision.

    Returns
    -------
    (customer,) of `names.Status`: `undecided` is a migrator, who is watched and asked; `borderline` gets the label of
    least expected loss all the same, for waiting would not make a better one.

    Examples
    --------
    >>> statuses(np.array([False, True, True]), np.array([np.nan, 0.16, 0.02])).tolist()
    ['decided', 'undecided', 'borderline']
    """
    worth_it = undecided & (waiting >= resolvable)
    names = np.where(worth_it, Status.UNDECIDED.value, Status.BORDERLINE.value)
    return np.where(undecided, names, Status.DECIDED.value).astype(object)
