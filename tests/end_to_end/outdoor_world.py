"""The outdoor shop of models/shop.toml with its first few hundred customers, levers, budget, objections, complaints."""

import re
from pathlib import Path

import pandas as pd

MODELS = Path(__file__).parents[2] / "models"
CUSTOMERS = 450
# Few draws and one cohort, so that a fit takes seconds; the limits on them are wide, those on the figures are not.
CHANGES = (
    ('by = "quarter"\nmin_customers = 60\npooling = "partial"', 'by = "all"\npooling = "complete"'),
    ("draws = 4000", "draws = 400"),
    ("[value]\n", "[value]\ndraws = 100\n"),
    ("amount = 800.0", "amount = 60.0"),
    ("capacities = {phone = 30}", "capacities = {phone = 3}\n[gate]\nmax_rhat = 2.0\nmin_ess = 1"),
)


def write_outdoor_shop(folder: Path, *changes: tuple[str, str]) -> Path:
    """The spec in a folder with the tables of the first customers; `changes` are made to the spec's text."""
    target = folder / "shop"
    target.mkdir()
    chosen = pd.read_csv(MODELS / "shop" / "customers.csv").head(CUSTOMERS)
    for name in ("customers", "orders", "events"):
        table = pd.read_csv(MODELS / "shop" / f"{name}.csv", dtype=str)
        table[table["customer_id"].isin(chosen["customer_id"])].to_csv(target / f"{name}.csv", index=False)
    text = (MODELS / "shop.toml").read_text(encoding="utf-8")
    for old, new in (*CHANGES, *changes):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "shop.toml"
    path.write_text(re.sub(r"#.*", "", text), encoding="utf-8")
    return path
