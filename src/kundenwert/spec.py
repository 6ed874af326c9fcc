"""ModelSpec: all that a `models/*.toml` file says, every mistake reported at once, and its canonical text."""

import datetime
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, PrivateAttr, ValidationError, field_validator

from kundenwert.errors import SpecError
from kundenwert.names import EngineName, Pooling
from kundenwert.spec_actions import (
    BudgetSpec,
    LeverSpec,
    SegmentSpec,
    action_contradictions,
)
from kundenwert.spec_money import COSTS, CustomerSpec, EventSpec, PotentialSpec, ValueSpec, money_contradictions
from kundenwert.spec_tables import (
    ChurnSpec,
    CohortSpec,
    DataSpec,
    GateSpec,
    InferenceSpec,
    PurchaseSpec,
    ReportSpec,
    SpendSpec,
    Table,
)
from kundenwert.spec_values import column_name, read_list, table_in
from kundenwert.spec_wording import given_keys, read_toml, sentences

SMALL_COHORT_WITHOUT_POOLING = 200

# Accepted, checked, and listed in the manifest: a spec written for a later version runs today and says what it lost.
NOT_USED_YET = ("gate.holdout",)


class ModelSpec(Table):
    """A retraining's every choice; read one with `load_spec`.

    >>> spec = ModelSpec.from_mapping({"name": "shop", "data": {"source": "orders.csv"}})
    >>> spec.value.horizon.years, spec.value_basis, "value.margin" in spec.given_keys
    (3.0, 'revenue', False)
    """

    name: str
    data: DataSpec
    customers: CustomerSpec | None = None
    events: EventSpec | None = None
    cohorts: CohortSpec = CohortSpec()
    purchase: PurchaseSpec = PurchaseSpec()
    spend: SpendSpec = SpendSpec()
    inference: InferenceSpec = InferenceSpec()
    value: ValueSpec = ValueSpec()
    churn: ChurnSpec = ChurnSpec()
    potential: PotentialSpec = PotentialSpec()
    levers: Annotated[tuple[LeverSpec, ...], BeforeValidator(read_list)] = ()
    segments: SegmentSpec = SegmentSpec()
    budget: BudgetSpec = BudgetSpec()
    report: ReportSpec = ReportSpec()
    gate: GateSpec = GateSpec()

    _given: frozenset[str] = PrivateAttr(default=frozenset())
    _base_dir: Path | None = PrivateAttr(default=None)

    @field_validator("name")
    @classmethod
    def _a_folder_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            raise ValueError(
                f"{name!r} names a folder: use 1 to 64 letters, digits, '-', '_' or '.', and begin with a letter or "
                "digit."
            )
        return name

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], where: str = "spec", base_dir: Path | None = None) -> Self:
        """A spec from plain tables, as TOML or a run's manifest holds them.

        Parameters
        ----------
        mapping : tables and keys as in `models/README.md`.
        where : what an error message calls it.
        base_dir : folder that a relative `data.source` starts from; None for the working directory.

        Raises
        ------
        SpecError : with every mistake, each with the nearest known key.
        """
        mistakes = [*_contradictions(mapping), *money_contradictions(mapping), *action_contradictions(mapping)]
        try:
            spec = cls.model_validate(dict(mapping))
        except ValidationError as error:
            raise SpecError(where, [*sentences(error, cls), *mistakes]) from None
        if mistakes:
            raise SpecError(where, mistakes)
        spec._given = given_keys(mapping)
        spec._base_dir = base_dir
        return spec

    @property
    def given_keys(self) -> frozenset[str]:
        """Dotted keys that the file states; every other key has its default."""
        return self._given

    @property
    def base_dir(self) -> Path | None:
        """The folder that a relative `data.source` starts from."""
        return self._base_dir

    @property
    def not_used(self) -> tuple[str, ...]:
        """Dotted keys that are stated, known, and without effect in this version."""
        found = [key for key in NOT_USED_YET if any(g == key or g.startswith(f"{key}.") for g in self._given)]
        return tuple(sorted(found))

    @property
    def value_basis(self) -> str:
        """`contribution` where a margin is stated, else `revenue`: money before costs is never called profit."""
        return "revenue" if self.value.margin is None else "contribution"

    @property
    def min_customers(self) -> int:
        """Least size of a cohort: as stated, else 200 without pooling and 0 with it."""
        if self.cohorts.min_customers is not None:
            return self.cohorts.min_customers
        return SMALL_COHORT_WITHOUT_POOLING if self.cohorts.pooling is Pooling.NONE else 0

    @property
    def carried_columns(self) -> tuple[str, ...]:
        """Columns that value is computed with (margin, costs), each once: of the log, or of `[customers]`."""
        names = (column_name(getattr(self.value, key)) for key in ("margin", *COSTS))
        return tuple(dict.fromkeys(name for name in names if name is not None))

    @property
    def title(self) -> str:
        """What the report is headed with."""
        return self.report.title or self.name

    def to_dict(self, as_of: datetime.date | None = None) -> dict[str, Any]:
        """Plain tables with defaults filled in and absent choices left out; `from_mapping` reads them back.

        Keys that came later (`Table.ADDED`) stand here only where they leave their defaults.

        Parameters
        ----------
        as_of : the day that the run looks back from; replaces `data.observation_end`.
        """
        tables: dict[str, Any] = self.model_dump(mode="json", exclude_none=True)
        tables["cohorts"]["min_customers"] = self.min_customers
        if as_of is not None:
            tables["data"]["observation_end"] = as_of.isoformat()
        return tables

    def canonical(self, as_of: datetime.date | None = None) -> str:
        """One line of JSON with sorted keys: equal for two files that say the same in other words."""
        return json.dumps(
            self.to_dict(as_of), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
        )

    def spec_hash(self, as_of: datetime.date | None = None) -> str:
        """SHA-256 of the canonical text, in hex."""
        return hashlib.sha256(self.canonical(as_of).encode()).hexdigest()


def _contradictions(mapping: Mapping[str, Any]) -> list[str]:
    """What the tables about models may not say together, as they were written: no other mistake may hide it."""
    tables = {name: table_in(mapping, name) for name in ("value", "inference", "cohorts")}
    found = []
    wanted = tables["value"].get("draws")
    computed = tables["inference"].get("draws", InferenceSpec.model_fields["draws"].default)
    if isinstance(wanted, int) and isinstance(computed, int) and wanted > computed > 0:
        found.append(
            f"value.draws: {wanted} parameter draws cannot be taken from inference.draws = {computed}. "
            "Lower the first or raise the second."
        )
    engine = tables["inference"].get("engine")
    pooling = tables["cohorts"].get("pooling", CohortSpec.model_fields["pooling"].default)
    if (engine, pooling) == (EngineName.IMPORTANCE, Pooling.PARTIAL):
        found.append(
            "inference.engine: 'importance' fits cohorts one by one, and cohorts.pooling = 'partial' joins them. "
            "Write 'auto' or 'gibbs', or another pooling."
        )
    if engine == EngineName.GIBBS and pooling in (Pooling.NONE, Pooling.COMPLETE):
        found.append(
            f"inference.engine: 'gibbs' samples what cohorts have in common, and cohorts.pooling = '{pooling}' leaves "
            "nothing of it. Write 'auto' or 'importance', or cohorts.pooling = 'partial'."
        )
    return found


def load_spec(path: str | Path) -> ModelSpec:
    """Read a `models/*.toml` file.

    Parameters
    ----------
    path : the file; a relative `data.source` in it starts from its folder.

    Raises
    ------
    SpecError : no such file, broken TOML (with its line), or mistakes in keys and values, all of them together.
    """
    file = Path(path)
    return ModelSpec.from_mapping(read_toml(file), where=str(path), base_dir=file.parent)
