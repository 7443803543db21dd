"""The table of commands, and the help page that lists them; neither cyclopts nor the commands are imported for it."""

from __future__ import annotations

import os
import re
import textwrap
from functools import lru_cache
from pathlib import Path

TITLE = "Find when actions happen in untrimmed videos, learning only from each video's labels."
EPILOGUE = (
    "Start with `thas demo`, or `thas image demo` for images. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 finished "
    "but some inputs failed, 130 interrupted. With any command, --debug shows the traceback of an error, and --plugin "
    "MODULE:ATTRIBUTE lets a file name a part that does not come with thas (docs/plugins.md). "
    "thas --install-completion lets the shell complete commands and options."
)

GROUPS = {
    "features": "Check, compare and pack feature caches.",
    "weights": "Published weights: list, fetch and check them.",
    "data": "Look after data sets.",
    "list": "List what thas knows.",
    "image": "The image half: boxes from image labels.",
}
"""What each group of commands is for; groups stand below the commands."""

COMMANDS = {
    "demo": "demo:demo",
    "run": "chain:run",
    "train-backbone": "backbone:train_backbone",
    "extract-features": "features:extract_features",
    "import-features": "features:import_features",
    "train": "train:train",
    "localize": "localize:localize",
    "eval": "eval:eval_",
    "export": "export:export",
    "report": "report:report",
    "plot": "handover:plot",
    "clips": "handover:clips",
    "summary": "handover:summary",
    "sweep": "sweep:sweep",
    "convert": "convert:convert",
    "doctor": "data:doctor",
    "features verify": "cache:features_verify",
    "features diff": "cache:features_diff",
    "features pack": "cache:features_pack",
    "weights list": "weights:weights_list",
    "weights fetch": "weights:weights_fetch",
    "weights check": "weights:weights_check",
    "data check": "data:data_check",
    "list backbones": "listing:list_backbones",
    "list datasets": "listing:list_datasets",
    "list presets": "listing:list_presets",
    "list heads": "listing:list_heads",
    "list losses": "listing:list_losses",
    "list networks": "listing:list_networks",
    "list experiments": "listing:list_experiments",
    "image demo": "demo:image_demo",
    "image train": "train:image_train",
    "image localize": "image:image_localize",
    "image eval": "image:image_eval",
    "image sweep": "sweep:image_sweep",
}
"""Each command, in the order of its use, and the function that does it, `module:function` in this folder."""


@lru_cache(maxsize=64)
def _source(module: str) -> str:
    return Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8")


def summary(command: str) -> str:
    """The first paragraph of a command's docstring, read from its source: importing it would cost a hundred times more.

    >>> summary("list presets")
    'The presets that --preset knows by name, of videos and of images.'
    """
    module, _, function = COMMANDS[command].partition(":")
    found = re.search(rf'^def {function}\(.*?^    """(.*?)(?:\n\n|""")', _source(module), re.DOTALL | re.MULTILINE)
    return " ".join(found[1].split()) if found is not None else ""


def help_page() -> str:
    """What `thas --help` prints."""
    try:
        width = min(os.get_terminal_size().columns, 120)
    except OSError:
        width = 100
    rows = {name: summary(name) for name in COMMANDS if " " not in name} | GROUPS
    column = max(map(len, rows)) + 4
    lines = ["Usage: thas COMMAND", "", TITLE, "", "Commands:"]
    for name, about in rows.items():
        first, *rest = textwrap.wrap(about, max(width - column, 30)) or [""]
        lines += [f"  {name}".ljust(column) + first, *(" " * column + line for line in rest)]
    lines += ["", *textwrap.wrap(f"`thas COMMAND --help` tells more of each. {EPILOGUE}", width)]
    return "\n".join(lines)
