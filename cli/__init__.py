"""The command line: parse, call one function, print.

Commands are registered by the name of their function and imported when they run, so that `thas --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import cyclopts

from .._version import __version__
from ..errors import ThasError

_EPILOGUE = (
    "Start with `thas demo`. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 finished but some inputs failed, "
    "130 interrupted. --debug with any command shows the traceback of an error."
)


def build_app() -> cyclopts.App:
    """All commands, in the order of their use."""
    app = cyclopts.App(
        name="thas",
        help="Find when actions happen in untrimmed videos, learning only from each video's labels.",
        help_epilogue=_EPILOGUE,
        version=__version__,
        help_format="markdown",
        result_action="return_value",
    )

    def add(name: str, target: str, doc: str, parent: cyclopts.App = app) -> None:
        parent.command(f"thas.cli.{target}", name=name, help=doc)

    add("demo", "demo:demo", "See Hide-and-Seek work on generated videos, from files to mAP, in minutes.")
    add("train-backbone", "backbone:train_backbone", "Train a small C3D on clips that take their video's labels.")
    add("extract-features", "features:extract_features", "Turn videos into features, one HDF5 file a video.")
    add("import-features", "features:import_features", "Turn features made elsewhere into a feature cache.")
    add("train", "temporal:train", "Train a temporal network from video-level labels, with hiding.")
    add("localize", "temporal:localize", "Find when actions happen: a run and videos in, intervals out.")
    add("eval", "eval:eval_", "Score detections: mean average precision at temporal IoU thresholds.")
    add("convert", "eval:convert", "Convert annotations and detections between formats.")
    add("doctor", "doctor:doctor", "Say what this machine has and what stands in the way.")

    features = cyclopts.App(name="features", help="Check, compare and pack feature caches.")
    add("verify", "features:features_verify", "Check every file of a feature cache.", features)
    add("diff", "features:features_diff", "Say why two feature caches differ.", features)
    add("pack", "features:features_pack", "Make one file of a feature cache.", features)
    app.command(features)

    listing = cyclopts.App(name="list", help="List what thas knows.")
    add(
        "backbones",
        "features:list_backbones",
        "The backbones, their inputs and where their weights come from.",
        listing,
    )
    add("datasets", "temporal:list_datasets", "The data sets that --dataset knows by name.", listing)
    app.command(listing)

    image = cyclopts.App(name="image", help="The image half: boxes from image labels.")
    add("demo", "image:image_demo", "See it work on generated images.", image)
    add("train", "image:image_train", "Train a network from image labels, with hiding.", image)
    add("localize", "image:image_localize", "Find objects: a run and photographs in, boxes and overlays out.", image)
    add("eval", "image:image_eval", "Score boxes: GT-known Loc, Top-1 Loc, Top-1 Clas and more.", image)
    app.command(image)
    return app


def main(arguments: Sequence[str] | None = None) -> Any:
    """Run one command and leave with its exit code."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in tokens
    tokens = [token for token in tokens if token != "--debug"]
    sys.exit(run(tokens, debug=debug))


def run(tokens: Sequence[str], *, debug: bool = False) -> int:
    """Run one command; returns its exit code.

    Args:
        tokens: What was typed after `thas`.
        debug: Let errors through with their traceback.
    """
    from .console import err, print_error

    try:
        result = build_app()(list(tokens), exit_on_error=False, print_error=True, error_console=err)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except cyclopts.CycloptsError:
        return 2
    except ThasError as error:
        if debug:
            raise
        print_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        err.print("\ninterrupted; what was finished is kept, and the same command continues where that makes sense")
        return 130
    except BrokenPipeError:
        # The reader of a pipe went away, as `head` does; nothing to say, and nowhere to say it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if debug:
            raise
        err.print(f"[bold red]error:[/] {error.filename or 'a file'} could not be used", markup=True)
        err.print(f"  why:  {error.strerror or error}", markup=False)
        err.print("  next: correct that and run the same command again; --debug shows where it happened")
        return 1
