"""The command line: parse, call one function, print.

`overview` names the commands and their functions, whose docstrings are their help. Their modules import what is slow
(torch, pandas, matplotlib) inside the functions, so that a page of help appears at once.
"""

from __future__ import annotations

import logging
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from .._version import __version__
from ..core.errors import NothingKept, Terminated, ThasError, UsageError, out_of_memory
from ..core.files import ONLY_WRITING, cannot_write
from ..core.interruptions import end_in_order
from ..core.messages import logger
from .overview import COMMANDS, EPILOGUE, GROUPS, TITLE, help_page

if TYPE_CHECKING:
    import cyclopts


def build_app() -> cyclopts.App:
    """All commands, in the order of their use."""
    import cyclopts

    app = cyclopts.App(
        name="thas",
        help=TITLE,
        help_epilogue=EPILOGUE,
        version=__version__,
        help_format="markdown",
        result_action="return_value",
        suppress_keyboard_interrupt=False,
        default_parameter=cyclopts.Parameter(
            negative=(), consume_multiple=True, show_default=lambda value: value or None
        ),
    )
    groups = {name: cyclopts.App(name=name, help=about) for name, about in GROUPS.items()}
    for order, (command, target) in enumerate(COMMANDS.items()):
        group, _, name = command.rpartition(" ")
        parent = groups[group] if group else app
        parent.command(f"thas.cli.{target}", name=name, sort_key=order)
    for order, group in enumerate(groups.values(), start=len(COMMANDS)):
        group.sort_key = order
        app.command(group)
    app.register_install_completion_command(add_to_startup=True)
    return app


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and leave with its exit code."""
    end_in_order()
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in tokens
    tokens = [token for token in tokens if token != "--debug"]
    sys.exit(run(tokens, debug=debug))


class _Shown(logging.Handler):
    """Shows the package's warnings, and its advice, on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        from .console import note, warn

        (warn if record.levelno >= logging.WARNING else note)(record.getMessage())


def _trusting(tokens: Sequence[str]) -> list[str]:
    """What was typed, without --plugin; what it names as MODULE:ATTRIBUTE, there or anywhere, may be imported."""
    from ..core.plugin_imports import trust, trust_typed

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
    """Run one command; returns its exit code. With `debug`, errors come through with their traceback."""
    if list(tokens) in ([], ["--help"], ["-h"]):
        print(help_page())
        return 0
    import cyclopts
    from rich.console import Console

    from .console import err, print_error
    from .positionals import rearranged

    logger.setLevel(logging.INFO)
    if not any(isinstance(handler, _Shown) for handler in logger.handlers):
        logger.addHandler(_Shown())
    # A console of its own: without wrapping, the panel around a wrong option would be cropped.
    usage = Console(stderr=True)
    try:
        app, tokens = build_app(), _trusting(tokens)
        if list(tokens[1:]) in ([], ["--help"], ["-h"]) and tokens[0] in GROUPS:
            for name in [name for name in app[tokens[0]] if not name.startswith("-")]:
                _ = app[tokens[0]][name]  # imported, so that the page tells what each is for
        result = app(rearranged(app, tokens), exit_on_error=False, print_error=True, error_console=usage)
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
    except Exception as error:
        if debug:
            raise
        if (told := out_of_memory(error, tokens)) is not None:
            print_error(told)
        elif isinstance(error, OSError) and error.errno in ONLY_WRITING:
            print_error(cannot_write(Path(error.filename or "a file"), error))
        elif isinstance(error, OSError):
            err.print(f"[bold red]error:[/] {error.filename or 'a file'} could not be used", markup=True)
            err.print(f"  why:  {error.strerror or error}", markup=False)
            err.print("  next: correct that and run the same command again; --debug shows where it happened")
        else:
            name = type(error).__name__
            err.print(f"[bold red]error:[/] thas failed in a way it did not foresee: {name}", markup=True)
            err.print(f"  why:  {error}; that is a fault of thas", markup=False)
            err.print(f"  next: {shlex.join(['thas', *tokens])} --debug, and report what it prints", markup=False)
        return 1
