"""A run's settings.toml: which half it is of, its data, and all its settings."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from .errors import CheckpointError
from .files import write_atomically
from .narrowing import as_table
from .plugins import require
from .presets import Table, settings_of
from .runs import ENVIRONMENT, SETTINGS, environment
from .settings_table import COMMANDS, SettingsTable, flatten, read_toml


@dataclass(frozen=True)
class RunData:
    """The data of a run.

    Attributes:
        dataset: A data set known by its name, or its folder.
        data_root: The folder that holds data sets called by name.
        train_subset: The subset trained on.
        test_subset: The subset localized and scored.
        features: The feature cache, of videos.
        out: The file of weights that a backbone's training ends in.
        run_folder: Where the run was made. Where a run was copied together with its data, these are found by the way
            that led from the one to the others.
    """

    dataset: str
    data_root: str
    train_subset: str
    test_subset: str
    features: str = ""
    out: str = ""
    run_folder: str = ""

    def seen_from(self, run: Path) -> RunData:
        """With each path that no longer is what it was, but lies as before from the run, as it is now."""

        def found(path: str) -> str:
            if not self.run_folder or not os.path.isabs(path) or os.path.exists(path):
                return path
            moved = os.path.normpath(run.resolve() / os.path.relpath(path, self.run_folder))
            return moved if os.path.exists(moved) else path

        return replace(
            self, dataset=found(self.dataset), data_root=found(self.data_root), features=found(self.features)
        )


def write_settings(run: Path, settings: SettingsTable, data: RunData, origins: Mapping[str, str] | None = None) -> None:
    """Write settings.toml and environment.json."""
    told = vars(replace(data, run_folder=str(run.resolve())))
    lines = [f"kind = {json.dumps(settings.kind)}", "", "[data]"]
    # The subset of a table without such a column is called "", and must not be left out.
    kept = {name: value for name, value in told.items() if value or name in ("train_subset", "test_subset")}
    lines += [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in kept.items()]
    write_atomically(run / SETTINGS, "\n".join(lines) + "\n\n" + settings.to_toml(origins))
    write_atomically(run / ENVIRONMENT, json.dumps(environment(), indent=2) + "\n")


def read_settings(run: Path, table: type[Table]) -> tuple[Table, RunData]:
    """The settings and the data of a run.

    Raises:
        CheckpointError: settings.toml does not say what data the run is of, or names a plug-in that is not there.
        UsageError: It is missing, or of another version: it sets what there is not.
    """
    tables = read_toml(run / SETTINGS)
    try:
        known = {field.name for field in fields(RunData)}
        values: dict[str, str] = {}
        for key, value in as_table(tables.pop("data")).items():
            if key in known:
                if not isinstance(value, str):
                    raise TypeError(f"data.{key} must be text, and is {str(value)[:60]}")
                values[key] = value
        data = RunData(**values)
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"{run / SETTINGS} does not say what data the run is of",
            why=str(error),
            next=f"{COMMANDS[table.kind]} makes a new run",
            subject=str(run),
        ) from None
    require(tables.get("plugins", {}), path=str(run / SETTINGS))
    # A backbone's run has its settings in a table that says nothing to the runs of others.
    own = {section.name: tables[section.name] for section in fields(table) if section.name in tables}
    kept = table.kept(flatten(settings_of(tables) | own), origin=str(run / SETTINGS))
    return kept, data.seen_from(run)
