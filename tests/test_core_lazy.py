"""A package's public names are read from its own source, wherever that lies."""

import compileall
import importlib
import shutil
import sys
import zipfile

import pytest

INIT = """
from typing import TYPE_CHECKING
from thas.core.lazy import lazy_names

if TYPE_CHECKING:
    from .tools import Hammer as Hammer
    from .tools import private

__getattr__, __dir__, __all__ = lazy_names(__name__)
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "lazy_shed"
    folder.mkdir()
    (folder / "__init__.py").write_text(INIT)
    (folder / "tools.py").write_text("Hammer = 'a hammer'\nprivate = 1\n")
    for name in ("lazy_shed", "lazy_shed.tools"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield folder
    for name in ("lazy_shed", "lazy_shed.tools"):
        sys.modules.pop(name, None)


def in_a_folder(package):
    return package.parent


def in_a_zip_archive(package):
    archive = package.parent / "shed.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in package.iterdir():
            file.write(path, f"lazy_shed/{path.name}")
    shutil.rmtree(package)
    return archive


@pytest.mark.parametrize("place", [in_a_folder, in_a_zip_archive])
def test_names_are_read_where_the_package_lies(package, place, monkeypatch):
    monkeypatch.syspath_prepend(place(package))
    shed = importlib.import_module("lazy_shed")
    assert shed.__all__ == ["Hammer"]
    assert "lazy_shed.tools" not in sys.modules
    assert shed.Hammer == "a hammer"
    assert "Hammer" in dir(shed)
    with pytest.raises(AttributeError, match="'lazy_shed' has no attribute 'private'"):
        _ = shed.private


def test_byte_code_alone_is_refused_with_the_cause(package, monkeypatch):
    compileall.compile_dir(package, quiet=1, legacy=True)
    for path in package.glob("*.py"):
        path.unlink()
    monkeypatch.syspath_prepend(package.parent)
    with pytest.raises(ImportError, match="lazy_shed is here without its source files"):
        importlib.import_module("lazy_shed")
