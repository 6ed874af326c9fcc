"""The building: a room imports only from floors below it or from its own, and no heavy library at import."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from numba.core.dispatcher import Dispatcher

import kundenwert

ROOT = Path(kundenwert.__file__).parent
FLOORS = [
    {
        "errors",
        "names",
        "units",
        "streams",
        "threads",
        "spec",
        "spec_actions",
        "spec_money",
        "spec_tables",
        "spec_values",
        "spec_wording",
        "spec_settings",
        "sources_cited",
    },
    {"customers", "families"},
    {"inference"},
    {"value"},
    {"decisions"},
    {"runs"},
    {
        "inputs",
        "named_columns",
        "frozen",
        "stages",
        "further",
        "premises",
        "records",
        "scoring",
        "pipeline",
        "answers",
        "console",
        "cli",
        "__main__",
    },
]
UP_TO_INFERENCE = {"simulate", "testing"}
HEAVY = {"pymc", "pytensor", "nutpie", "arviz", "arviz_stats", "numba", "altair", "vl_convert", "duckdb", "xarray"}
FILES = sorted(ROOT.rglob("*.py"))


def room(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def floor(name: str) -> int:
    if name in UP_TO_INFERENCE:
        return 2
    return next(level for level, rooms in enumerate(FLOORS) if name in rooms)


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every imported module, and whether that happens when the file itself is imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        above: list[ast.AST] = []
        at: ast.AST = node
        while at in parents:
            at = parents[at]
            above.append(at)
        typing = any(isinstance(a, ast.If) and "TYPE_CHECKING" in ast.dump(a.test) for a in above)
        inside = any(isinstance(a, ast.FunctionDef | ast.AsyncFunctionDef) for a in above)
        yield from ((name, not typing and not inside) for name in names)


@pytest.mark.parametrize(
    "path", [f for f in FILES if f.name != "__init__.py" or f.parent != ROOT], ids=lambda p: p.name
)
def test_imports_go_down(path: Path) -> None:
    here = room(path)
    for module, _ in imports(path):
        parts = module.split(".")
        if parts[0] != "kundenwert" or len(parts) < 2:
            continue
        there = parts[1]
        if there == here or not ((ROOT / there).is_dir() or (ROOT / f"{there}.py").is_file()):
            continue
        # The ground floor and the entrance are single files that know each other, and so are simulate and testing.
        open_plan = floor(here) in (0, len(FLOORS) - 1) or here in UP_TO_INFERENCE
        assert floor(there) < floor(here) or (open_plan and floor(there) == floor(here)), f"{here} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_heavy_libraries_load_only_when_used(path: Path) -> None:
    # A module of compiled kernels is numba code from top to bottom, and is itself imported only where it is used.
    allowed = {"numba"} if is_kernel(path) else set()
    heavy = [name for name, at_import in imports(path) if at_import and name.split(".")[0] in HEAVY - allowed]
    assert heavy == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_kernels_load_only_when_used(path: Path) -> None:
    if not is_kernel(path):
        assert [name for name, at_import in imports(path) if at_import and ".kernels" in name] == []


def is_kernel(path: Path) -> bool:
    """Whether a file lies in a package or module called kernels."""
    return "kernels" in (*path.relative_to(ROOT).parts[:-1], path.stem)


def compiled(path: Path) -> dict[str, Dispatcher]:
    """The numba functions that a file defines."""
    module = importlib.import_module(".".join(("kundenwert", *path.relative_to(ROOT).with_suffix("").parts)))
    return {
        name: function
        for name, function in vars(module).items()
        if isinstance(function, Dispatcher) and function.py_func.__module__ == module.__name__
    }


@pytest.mark.parametrize(
    "path", [f for f in FILES if "@njit" in f.read_text(encoding="utf-8")], ids=lambda p: str(p.relative_to(ROOT))
)
def test_no_kernel_takes_over_its_callers_flags(path: Path) -> None:
    """One without `fastmath` is compiled with that of whoever calls it first: `log1p` so lost its meaning."""
    options = {name: function.targetoptions for name, function in compiled(path).items()}
    assert options
    inlined = {name for name, given in options.items() if given.get("inline") == "always"}
    assert {name for name, given in options.items() if "fastmath" not in given} == inlined


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_files_fit_in_a_head(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_no_function_is_called_like_a_module_beside_it() -> None:
    for package in [ROOT, *(p for p in ROOT.iterdir() if p.is_dir() and (p / "__init__.py").exists())]:
        modules = {p.stem for p in package.glob("*.py")} | {p.name for p in package.iterdir() if p.is_dir()}
        for path in package.glob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            functions = {n.name for n in tree.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")}
            assert not functions & modules, f"{path.name}: {functions & modules}"


def test_every_public_name_can_be_had() -> None:
    for name in kundenwert.__all__:
        assert getattr(kundenwert, name) is not None
