"""The documents' Python runs as it stands, their pictures are the script's, links and the site's list are right."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import json
import re
from pathlib import Path

import pytest

from .documented import ROOT, documents

DOCS = ROOT / "docs"


def test_the_loop_of_ones_own_runs_and_finds_what_was_drawn():
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "own_loop.md").read_text(encoding="utf-8"), re.DOTALL)
    names: dict = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "own_loop.md", "exec"), names)
    assert names["scores"].map[0] > 0.9
    assert "| mAP |" in printed.getvalue()


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.ipynb")), ids=lambda path: path.name)
def test_notebooks_run_and_show_something(path):
    """Cell by cell; the last expression of each has a view for notebooks."""
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] for cell in cells), "kept without outputs"
    names: dict = {}
    for cell in cells:
        *lines, last = "".join(cell["source"]).rstrip().splitlines()
        while not _is_expression(last):
            last = f"{lines.pop()}\n{last}"
        exec("\n".join(lines), names)
        shown = eval(last, names)
        assert "<" in shown._repr_html_(), last


def _is_expression(text: str) -> bool:
    try:
        compile(text, "cell", "eval")
    except SyntaxError:
        return False
    return not text.startswith((" ", ")"))


def test_pictures_are_those_of_the_script(tmp_path):
    spec = importlib.util.spec_from_file_location("draw", DOCS / "pictures/draw.py")
    assert spec is not None
    assert spec.loader is not None
    draw = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(draw)
    draw.main(tmp_path)
    drawn, kept = ({path.name for path in folder.glob("*.svg")} for folder in (tmp_path, DOCS / "pictures"))
    assert drawn == kept
    for name in kept:  # another matplotlib writes other bytes; the size of the drawing stays
        size = re.compile(r'viewBox="([^"]+)"')
        found, wanted = (size.search((folder / name).read_text()) for folder in (tmp_path, DOCS / "pictures"))
        assert found is not None
        assert wanted is not None
        one, two = ([float(x) for x in match[1].split()] for match in (found, wanted))
        assert one == pytest.approx(two, rel=0.05), name


def test_links_lead_somewhere():
    for page in documents():
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not link.startswith(("http:", "https:", "mailto:")):
                target = page.parent / link
                site = page.parent / link.replace("benchmarks/", "../benchmarks/", 1)
                assert target.exists() or site.exists(), f"{page.name}: {link}"


def test_every_page_is_on_the_site():
    listed = set(re.findall(r":\s+(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert pages <= listed
    assert {name for name in listed - pages if not (ROOT / name).exists()} == set()


def test_the_contributors_guide_names_every_room():
    text = Path(ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert {room for room in rooms if f"`{room}/`" not in text} == set()


def test_what_the_reference_lists_stands_where_it_says():
    listed = re.findall(r"^::: thas\.([\w.]+)\.(\w+)$", (DOCS / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(listed) > 20
    for place, name in listed:
        home = importlib.import_module(f"thas.{place}")
        if not hasattr(home, "__path__"):  # of a module; of a package it is a module of its own
            assert getattr(home, name).__module__ == f"thas.{place}", name
        else:
            importlib.import_module(f"thas.{place}.{name}")
