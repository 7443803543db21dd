"""Settings as they are typed: by --set, --preset, --config and the options that stand for one setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..core.errors import UsageError

if TYPE_CHECKING:
    from ..core.presets import Table
    from ..core.settings_table import SettingsTable
    from .options import TrainingSettings


def parse_set(pairs: list[str] | None) -> dict[str, str]:
    """What `--set` says, by dotted key.

    >>> parse_set(["hide.probability=0"])
    {'hide.probability': '0'}

    Raises:
        UsageError: A setting has no value.
    """
    values: dict[str, str] = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {pair} has no value", next=f"--set {pair}=VALUE")
        values[key.strip()] = value.strip()
    return values


def parse_localizing(
    pairs: list[str] | None, settings: SettingsTable, *, allowed: tuple[str, ...] = ("localize.",)
) -> dict[str, str]:
    """What `--set` changes after training; what is no setting, or no longer heeded then, is refused."""
    changes = parse_set(pairs)
    settings.localizing(changes)
    other = [key for key in changes if not key.startswith(allowed)]
    if other:
        raise UsageError(
            f"{other[0]} has no effect on localization", why="the network is trained", next="--set localize.NAME=VALUE"
        )
    return changes


def chosen_settings(
    table: type[Table], training: TrainingSettings, *, data_preset: str | None, options: Mapping[str, object]
) -> tuple[Table, dict[str, str]]:
    """The settings that were asked for, and where each came from.

    Args:
        table: Of which half.
        training: What was typed, as in either half.
        data_preset: The preset of the data set, if it has one.
        options: What was typed of this half's own options, by dotted key; None for what was not.
    """
    from ..core.presets import resolve_settings

    options = {
        **options,
        "hide.probability": training.hide_probability,
        "train.epochs": training.epochs,
        "train.seed": training.seed,
        "train.device": training.device,
    }
    given = {key: value for key, value in options.items() if value is not None}
    return resolve_settings(
        table,
        data_preset=data_preset,
        presets=training.preset or [],
        config=training.config,
        options=parse_set(training.set_) | given,
    )
