"""Laws of the house: what is public, what is packaged, who imports whom."""

from __future__ import annotations

import ast
import doctest
import functools
import importlib
import importlib.util
import linecache
import pkgutil
import re
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path

import pytest

import thas

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    *("annotators", "cli", "core", "datasets", "demo", "deploy", "eval", "features", "image_has", "report", "sweep"),
    "temporal_has",
)
WITHOUT_NAMES = {"annotators", "cli", "core", "datasets", "demo"}
# From the ground up: each room, and those below it that it may import. All may import these two.
GROUND = {"core", "_version"}
MAY_IMPORT = {
    "core": set[str](),
    "eval": set[str](),
    "features": set[str](),
    "annotators": {"eval", "features"},
    "datasets": {"annotators", "eval", "features"},
    "sweep": {"eval"},
    "image_has": {"eval", "sweep"},
    "temporal_has": {"annotators", "features", "datasets", "eval", "sweep"},
    "deploy": {"features", "image_has", "temporal_has"},
    "demo": {"datasets", "eval", "features", "temporal_has"},
    "report": {"annotators", "datasets", "eval", "features", "image_has", "temporal_has"},
}
# `thas.eval.read_annotations` is public, and reads what annotators write.
LENDS = {"eval/__init__.py": {"annotators"}}


# Lines of code that say `Any`, in all rooms together; each that goes should lower it, and none may come.
LINES_WITH_ANY = 10
# Rooms and pieces whose every module is held to pyright's strictest form, see pyproject.toml.
STRICT = {
    *("annotators/", "core/settings_table.py", "core/presets.py", "core/run_settings.py", "core/runs.py"),
    *("core/resume.py", "core/log.py", "core/task.py", "core/plugins.py", "core/processes.py", "core/narrowing.py"),
    *("temporal_has/hide.py", "temporal_has/settings.py", "temporal_has/localize.py", "temporal_has/localizer.py"),
    *("image_has/activation.py", "image_has/settings.py", "sweep/plan.py", "sweep/run.py", "datasets/opening.py"),
    *("eval/matching.py", "eval/average_precision.py", "eval/detections.py", "eval/annotations.py"),
    "eval/certainty.py",
}

# Functions of more than ten parameters that are still to be divided; none may join them.
TOO_MANY_PARAMETERS = set[str]()


def modules() -> list[str]:
    found = [m.name for m in pkgutil.walk_packages(thas.__path__, "thas.")]
    return [name for name in found if name.split(".")[1] not in {"tests", "benchmarks", "build", "docs"}]


@pytest.mark.parametrize("name", modules())
def test_doctests(name, monkeypatch):
    if name.endswith("__main__"):
        return
    monkeypatch.setattr(linecache, "checkcache", lambda *_: None)  # else all files are looked at for each example
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


@pytest.mark.parametrize("package", ["thas", *(f"thas.{name}" for name in PACKAGES if name not in WITHOUT_NAMES)])
def test_public_names_are_there_and_stay_what_they_are(package):
    module = importlib.import_module(package)
    for _ in range(2):  # a function must not turn into the module of its name once that is imported
        for name in module.__all__:
            value = getattr(module, name)
            assert not isinstance(value, type(sys)), f"{package}.{name} is a module"
    assert set(module.__all__) <= set(dir(module))
    assert len(set(module.__all__)) == len(module.__all__)


@pytest.mark.parametrize("name", ["thas", *(f"thas.{package}" for package in PACKAGES)])
def test_importing_a_package_does_not_import_torch(name):
    code = f"import sys, {name}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_scores_files_never_imports_torch():
    rooms = ("thas.annotators", "thas.core.segments", "thas.datasets", "thas.eval", "thas.temporal_has.scored_source")
    names = [name for name in modules() if name.startswith(rooms)]
    code = f"import sys, importlib; [importlib.import_module(n) for n in {names!r}]; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_packages_listed_are_the_folders():
    project = ROOT / "pyproject.toml"
    listed = set(tomllib.loads(project.read_text())["tool"]["setuptools"]["packages"])
    folders = {f"thas.{path.parent.name}" for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests"}
    assert listed == {"thas"} | folders


@functools.cache
def nodes(path: Path) -> list[ast.AST]:
    """A module's syntax, parsed once for all that is asked of it."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imported(path: Path) -> set[str]:
    """The rooms that a module of the package imports, wherever in the file."""
    depth = len(path.relative_to(ROOT).parts)
    rooms = set()
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            rooms |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            assert not any(a.name.split(".")[0] == "thas" for a in node.names), f"{path}: import relatively"
    return rooms


def imports_between_modules() -> dict[str, set[str]]:
    """For each module those of the package that it imports, wherever in the file, for type checkers alone included."""
    paths = {name: Path(str(importlib.util.find_spec(name).origin)) for name in ["thas", *modules()]}  # type: ignore[union-attr]
    found: dict[str, set[str]] = {}
    for name, path in paths.items():
        package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
        found[name] = set()
        for node in nodes(path):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
                whole = {f"{base}.{alias.name}" for alias in node.names}
                found[name] |= (whole & paths.keys()) or {base}
        found[name] -= {name}
    return found


def test_no_imports_go_round_in_a_circle():
    # A package's __init__ names its modules for type checkers and imports them on use; it is left out.
    graph = {name: after for name, after in imports_between_modules().items() if "." in name.removeprefix("thas.")}
    assert len(graph) > 150
    while leaves := {name for name, after in graph.items() if not after & graph.keys()}:
        graph = {name: after for name, after in graph.items() if name not in leaves}
    assert not graph, "these are in a circle, or import what is: " + ", ".join(sorted(graph))


def test_functions_take_at_most_ten_parameters():
    over = set()
    for name in modules():
        path = Path(str(importlib.util.find_spec(name).origin))  # type: ignore[union-attr]
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not name.startswith("thas.cli"):
                taken = node.args
                named = [one.arg for one in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs)]
                rest = [one for one in (taken.vararg, taken.kwarg) if one is not None]
                if len(rest) + len([one for one in named if one not in ("self", "cls")]) > 10:
                    over.add(f"{name.removeprefix('thas.')}.{node.name}")
    assert over == TOO_MANY_PARAMETERS


def lines_with_any(path: Path) -> set[int]:
    """The lines of a module whose code, not its words, says `Any`."""
    with tokenize.open(path) as file:
        tokens = tokenize.generate_tokens(file.readline)
        return {one.start[0] for one in tokens if one.type == tokenize.NAME and one.string == "Any"}


def test_no_more_lines_say_any():
    places = [path for room in PACKAGES for path in sorted((ROOT / room).glob("*.py"))] + sorted(ROOT.glob("*.py"))
    assert len(places) > 250
    found = [f"{path.relative_to(ROOT)}:{line}" for path in places for line in sorted(lines_with_any(path))]
    assert len(found) <= LINES_WITH_ANY, found


def test_what_is_typed_strictly_stays_so():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pyright"]["strict"]
    assert [name for name in listed if not (ROOT / name).exists()] == []
    modules = {
        path.relative_to(ROOT).as_posix()
        for name in STRICT
        for path in ((ROOT / name).glob("*.py") if name.endswith("/") else [ROOT / name])
    }
    left = {name for name in modules if name not in listed and name.split("/")[0] not in listed}
    assert left == set()


def test_rooms_stand_on_those_below_them_alone():
    order = list(MAY_IMPORT)
    for room, below in MAY_IMPORT.items():
        assert all(order.index(other) < order.index(room) for other in below), room


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_who_may_import_whom(room):
    paths = [ROOT / f"{room}.py"] if (ROOT / f"{room}.py").exists() else sorted((ROOT / room).glob("*.py"))
    for path in paths:
        lent = LENDS.get(path.relative_to(ROOT).as_posix(), set[str]())
        beyond = imported(path) - GROUND - MAY_IMPORT[room] - {room} - lent
        assert not beyond, f"{path.relative_to(ROOT)} imports {beyond}"


def test_the_command_line_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "thas", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == thas.__version__


def test_each_test_that_a_promise_names_exists():
    promised = re.findall(r"`(test_\w+\.py)::(test_\w+)`", (ROOT / "docs" / "trust.md").read_text(encoding="utf-8"))
    assert len(promised) > 30
    texts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("test_*.py")}
    assert [f"{file}::{name}" for file, name in promised if f"def {name}(" not in texts.get(file, "")] == []
