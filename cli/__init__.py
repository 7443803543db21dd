"""The command line: parse, call one function, print.

Commands are registered by the name of their function, whose docstring is their help. Their modules import what is slow
(torch, pandas, matplotlib) inside the functions, so that `thas --help` answers at once.
"""

from __future__ import annotations

import logging
import os
import shlex
import sys
from collections.abc import Sequence
from itertools import count
from typing import Any

import cyclopts

from .._version import __version__
from ..core.errors import NothingKept, Terminated, ThasError, UsageError

_EPILOGUE = (
    "Start with `thas demo`, or `thas image demo` for images. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 finished "
    "but some inputs failed, 130 interrupted. With any command, --debug shows the traceback of an error, and --plugin "
    "MODULE:ATTRIBUTE lets a file name a part that does not come with thas (docs/plugins.md)."
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
        suppress_keyboard_interrupt=False,
        default_parameter=cyclopts.Parameter(negative=(), show_default=lambda value: value or None),
    )

    order = count()

    def add(name: str, target: str, parent: cyclopts.App = app) -> None:
        parent.command(f"thas.cli.{target}", name=name, sort_key=next(order))

    add("demo", "demo:demo")
    add("run", "chain:run")
    add("train-backbone", "backbone:train_backbone")
    add("extract-features", "features:extract_features")
    add("import-features", "features:import_features")
    add("train", "temporal:train")
    add("localize", "localize:localize")
    add("eval", "eval:eval_")
    add("report", "report:report")
    add("plot", "handover:plot")
    add("clips", "handover:clips")
    add("summary", "handover:summary")
    add("sweep", "sweep:sweep")
    add("convert", "convert:convert")
    add("doctor", "doctor:doctor")

    features = cyclopts.App(name="features", sort_key=next(order), help="Check, compare and pack feature caches.")
    add("verify", "cache:features_verify", features)
    add("diff", "cache:features_diff", features)
    add("pack", "cache:features_pack", features)
    app.command(features)

    weights = cyclopts.App(name="weights", sort_key=next(order), help="Published weights: list, fetch and check them.")
    add("list", "weights:weights_list", weights)
    add("fetch", "weights:weights_fetch", weights)
    add("check", "weights:weights_check", weights)
    app.command(weights)

    data = cyclopts.App(name="data", sort_key=next(order), help="Look after data sets.")
    add("check", "data:data_check", data)
    app.command(data)

    listing = cyclopts.App(name="list", sort_key=next(order), help="List what thas knows.")
    add("backbones", "cache:list_backbones", listing)
    add("datasets", "temporal:list_datasets", listing)
    add("presets", "listing:list_presets", listing)
    add("heads", "listing:list_heads", listing)
    add("losses", "listing:list_losses", listing)
    add("networks", "listing:list_networks", listing)
    add("experiments", "sweep:list_experiments", listing)
    app.command(listing)

    image = cyclopts.App(name="image", sort_key=next(order), help="The image half: boxes from image labels.")
    add("demo", "image_eval:image_demo", image)
    add("train", "image_train:image_train", image)
    add("localize", "image_localize:image_localize", image)
    add("eval", "image_eval:image_eval", image)
    add("sweep", "sweep:image_sweep", image)
    app.command(image)
    return app


def _resolve(app: cyclopts.App) -> None:
    """Import all commands, so that their help tells what each is for."""
    for name in app:
        if not name.startswith("-") and isinstance(command := app[name], cyclopts.App):
            _resolve(command)


def main(arguments: Sequence[str] | None = None) -> Any:
    """Run one command and leave with its exit code."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in tokens
    tokens = [token for token in tokens if token != "--debug"]
    sys.exit(run(tokens, debug=debug))


class _Warnings(logging.Handler):
    """Shows the package's warnings on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        from .console import warn

        warn(record.getMessage())


def _heed_warnings() -> None:
    logger = logging.getLogger("thas")
    if not any(isinstance(handler, _Warnings) for handler in logger.handlers):
        logger.addHandler(_Warnings())


def _trusting(tokens: Sequence[str]) -> list[str]:
    """What was typed, without --plugin; what it names as MODULE:ATTRIBUTE, there or anywhere, may be imported."""
    from ..core.plugins import trust, trust_typed

    trust_typed(tokens)
    rest: list[str] = []
    waiting = False
    for token in tokens:
        if waiting or token.startswith("--plugin="):
            trust(token.removeprefix("--plugin="))
            waiting = False
        elif token == "--plugin":
            waiting = True
        else:
            rest.append(token)
    if waiting:
        raise UsageError("--plugin names nothing", next="--plugin MODULE:ATTRIBUTE, or --plugin MODULE")
    return rest


def run(tokens: Sequence[str], *, debug: bool = False) -> int:
    """Run one command; returns its exit code.

    Args:
        tokens: What was typed after `thas`.
        debug: Let errors through with their traceback.
    """
    from rich.console import Console

    from .console import err, print_error

    _heed_warnings()
    # A console of its own: without wrapping, the panel around a wrong option would be cropped.
    usage = Console(stderr=True)
    try:
        app, tokens = build_app(), _trusting(tokens)
        if not tokens or {"--help", "-h"} & set(tokens):
            _resolve(app)
        result = app(tokens, exit_on_error=False, print_error=True, error_console=usage)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except cyclopts.CycloptsError:
        return 2
    except ThasError as error:
        if debug:
            raise
        print_error(error)
        return error.exit_code
    except NothingKept:
        err.print("\ninterrupted before anything was finished; nothing was kept", markup=False)
        err.print(f"  next: {shlex.join(['thas', *tokens])}", markup=False)
        return 130
    except KeyboardInterrupt as error:
        typed = shlex.join(["thas", *tokens])
        resumable = tokens[0] in ("train", "train-backbone") or list(tokens[:2]) == ["image", "train"]
        again = f"{typed} --resume" if resumable and "--resume" not in tokens else typed
        err.print("\ninterrupted: what was finished is kept", markup=False)
        err.print(f"  next: {again}", markup=False)
        return 143 if isinstance(error, Terminated) else 130
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
    except Exception as error:
        if debug:
            raise
        err.print(f"[bold red]error:[/] thas failed in a way it did not foresee: {type(error).__name__}", markup=True)
        err.print(f"  why:  {error}; that is a fault of thas", markup=False)
        err.print(f"  next: {shlex.join(['thas', *tokens])} --debug, and report what it prints", markup=False)
        return 1
