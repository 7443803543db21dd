"""What the command line says of itself."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest

from thas.cli import run
from thas.cli.overview import COMMANDS, GROUPS, help_page, summary


def function_of(command: str):
    module, _, name = COMMANDS[command].partition(":")
    return getattr(importlib.import_module(f"thas.cli.{module}"), name)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_overview_tells_of_a_command_what_its_docstring_does(command):
    told = inspect.getdoc(function_of(command)) or ""
    assert told
    assert summary(command) == " ".join(told.split("\n\n")[0].split())


def test_the_first_page_names_every_command_and_imports_nothing_slow(capsys):
    assert run(["--help"]) == 0
    page = capsys.readouterr().out
    assert page.rstrip("\n") == help_page()
    for name in (*(name for name in COMMANDS if " " not in name), *GROUPS):
        assert f"\n  {name} " in page
    assert {name.split()[0] for name in COMMANDS if " " in name} == set(GROUPS)
    code = "import sys; from thas.cli import run; run([]); sys.exit(bool({'cyclopts', 'rich'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0


def test_the_page_of_a_group_says_what_each_is_for(capsys):
    assert run(["list"]) == 0
    assert "The heads that" in capsys.readouterr().out


def test_the_shell_can_complete(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(["--install-completion", "--shell", "bash", "--output", str(tmp_path / "thas.bash")]) == 0
    script = (tmp_path / "thas.bash").read_text()
    assert "extract-features" in script
    assert "--hide-probability" in script
