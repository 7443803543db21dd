"""Laws of the commands: examples and help everywhere, and an option that is the same in all commands."""

from __future__ import annotations

import collections
import functools
import importlib
import inspect
import re
import types
import typing

import pytest

from thas.cli import build_app
from thas.cli.overview import COMMANDS

# Options that are another thing in another command, and what they are there; none may join them without a reason.
OTHERWISE = {
    "--backbone": "which network; that it is written, too",
    "--fps": "where frames are decoded or counted a number; where features are imported also a table of rates",
    "--from": "the form of a source; a file brought here by other means",
    "--label": "actions that are kept; fields of an annotation that its label is made of",
    "--length-frames": "of a clip that a network is given; that a row made elsewhere describes",
    "--network": "one to train; a library's that needs no training",
    "--pictures": "whether pictures are drawn; the folder that those of a score go to",
    "--precision": "of training, as the trainer names it; of a network that only runs, as its recipe names it",
    "--run": "one to go on with; several to localize with; several to compare",
    "--seeds": "how many are trained; that runs differ by them",
    "--stride-frames": "whole frames of a video; rows made elsewhere may lie between them",
    "--top": "so many detections of a video; so many classes of a photograph",
    "--video": "one to draw; several to cut; what a file's video is called",
    "--videos": "the folder of the files; a list of names",
}


@functools.cache
def arguments(command: str):
    """What can be typed behind a command, with the help of each."""
    app = build_app()
    for part in command.split():
        app = app[part]
    return [
        one
        for one in app.assemble_argument_collection(parse_docstring=True)
        if one.parse and one.show and one.names != ("*",)
    ]


def kind(hint: object) -> object:
    """A type without the `None` that says that it may be left out."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return next(one for one in typing.get_args(hint) if one is not type(None))
    return hint


def options() -> dict[str, dict[str, typing.Any]]:
    """Each option, and what it is in each command that has it."""
    found: dict[str, dict[str, typing.Any]] = collections.defaultdict(dict)
    for command in COMMANDS:
        for one in arguments(command):
            if one.index is None:
                found[one.names[0]][command] = one
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_every_page_has_an_example_and_says_what_each_option_is(command):
    module, _, name = COMMANDS[command].partition(":")
    told = inspect.getdoc(getattr(importlib.import_module(f"thas.cli.{module}"), name)) or ""
    assert f"\n    thas {command}" in told, "no example"
    assert "For example:" in told
    without = [one.names[0] for one in arguments(command) if not one.parameter.help]
    assert not without, f"{command}: nothing says what these are: {without}"


def test_an_option_has_one_type_and_one_help_in_all_commands():
    """The first sentence of the help; what more is so in a single command may follow."""
    differ = set()
    for name, by_command in options().items():
        types_ = {str(kind(one.hint)) for one in by_command.values()}
        helps = {re.split(r"[.;](?:\s|$)", " ".join(one.parameter.help.split()))[0] for one in by_command.values()}
        if len(types_) > 1 or len(helps) > 1:
            differ.add(name)
    assert differ == set(OTHERWISE)


def test_options_are_spelt_as_options_are():
    assert len(options()) > 100
    for name in options():
        assert re.fullmatch(r"--[a-z][a-z0-9]*(-[a-z0-9]+)*", name)
