"""A base written to Parquet and fitted from its columns, on a small one."""

from contestants import large_base

from kundenwert.simulate import CDNOW_LIKE


def test_a_base_is_fitted_from_its_columns(tmp_path):
    path = tmp_path / "summary.parquet"
    large_base.write(path, 20_000)
    steps = {step["step"]: step for step in large_base.fit(path)}
    assert list(steps) == [
        *("import", "read"),
        *("bgnbd: compress", "bgnbd: sample"),
        *("gamma_gamma: compress", "gamma_gamma: sample"),
    ]
    assert steps["read"]["customers"] == 20_000
    for family in ("bgnbd", "gamma_gamma"):
        found = steps[f"{family}: sample"]
        assert found["effective"] >= 4_000
        for name, value in found["estimates"].items():
            assert abs(value - CDNOW_LIKE[name]) < 4 * found["sd"][name] + 0.05 * CDNOW_LIKE[name], name
