"""The house: imports run one way, from the ground up, and no two files need each other."""

from __future__ import annotations

import ast
import contextlib
import re
import tomllib
from graphlib import CycleError, TopologicalSorter
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGE = Path(__file__).parents[1] / "tnlearn"
# From the foundation up; the first six are files.
ORDER = [
    "errors",
    "files",
    "archive",
    "look",
    "shown",
    "progress",
    "physics",
    "networks",
    "drawing",
    "models",
    "data",
    "training",
    "markers",
    "report",
    "lab",
    "audits",
    "analysis",
    "phase",
    "studies",
    "sklearn",
    "cli",
]
# The two lazy lines that lead upward: a formula's network, and where a data set is written.
UPWARD = {("networks.formula", "models.network"), ("data.dataset", "data.stored")}


def _module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


MODULES = {_module(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def _imports(path: Path) -> set[str]:
    """The files of the package that a file imports, at the top, lazily, or for its types."""
    named: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{path}: relative import"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            files = {name for name in inner if name.removeprefix("tnlearn.") in MODULES}
            named |= files or {node.module}
    return {name.removeprefix("tnlearn.") for name in named if name.startswith("tnlearn.")}


# The package itself hands out names when they are asked for, and imports nothing before.
IMPORTS = {
    name: {t if t in MODULES else f"{t}.__init__" for t in _imports(path)} - {name}
    for name, path in MODULES.items()
    if name != "__init__"
}


def _rank(module: str) -> int:
    """How high a file stands: its folder, or its own name."""
    room = module.split(".")[0]
    return ORDER.index({"__main__": "cli"}.get(room, room))


def test_every_import_names_a_file():
    assert {t for there in IMPORTS.values() for t in there} <= set(MODULES)


def test_imports_between_folders_lead_down():
    upward = {
        (module, target)
        for module, targets in IMPORTS.items()
        for target in targets
        if _rank(target) > _rank(module)
    }
    assert upward <= UPWARD


def test_no_circle_of_files():
    graph = {m: {t for t in ts if (m, t) not in UPWARD} for m, ts in IMPORTS.items()}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


DOCSTRINGS = {
    init.parent.name: ast.get_docstring(ast.parse(init.read_text())) or ""
    for init in sorted(PACKAGE.glob("*/__init__.py"))
}
LISTED = [folder for folder, text in DOCSTRINGS.items() if "from the foundation up:\n" in text]


@pytest.mark.parametrize("folder", LISTED)
def test_files_of_a_folder_import_those_above_them_in_its_list(folder):
    """Where the docstring of a folder lists its files from the foundation up, it is so."""
    files = re.findall(r"^    (\w+) {2,}\S", DOCSTRINGS[folder], re.MULTILINE)
    inside = {m for m in IMPORTS if m.startswith(f"{folder}.") and not m.endswith("__init__")}
    assert {f"{folder}.{name}" for name in files} == inside
    for module in inside:
        for target in IMPORTS[module] & inside:
            assert files.index(target.split(".")[1]) < files.index(module.split(".")[1]), target


def test_nobody_is_told_to_install_a_stranger():
    # The name on the package index is of another package with the same import name.
    root = PACKAGE.parent
    stranger = re.compile(r"pip install ['\"]?tnlearn(\[|['\"`\s]|$)", re.MULTILINE)
    files = [
        path
        for place in ("*.md", "docs/**/*.md", "tnlearn/**/*.py", "examples/*.py", "benchmarks/*.py")
        for path in root.glob(place)
    ]
    assert len(files) > 100
    assert not [path for path in files if stranger.search(path.read_text(encoding="utf-8"))]


def test_everything_that_make_installs_is_pinned():
    root = PACKAGE.parent
    lines = (root / "constraints.txt").read_text().splitlines()
    pins = {line.partition("==")[0] for line in lines if line and not line.startswith("#")}
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = list(project["dependencies"])
    needed += extras["test"] + extras["docs"] + extras["quality"]
    known: set[str] = set()
    while needed:
        one = Requirement(needed.pop())
        if str(one) in known or (one.marker and not one.marker.evaluate({"extra": ""})):
            continue
        known.add(str(one))
        assert canonicalize_name(one.name) in pins, one
        with contextlib.suppress(metadata.PackageNotFoundError):  # only `make lint` installs it
            needed += metadata.requires(one.name) or []
