"""What a sweep has to train: each network once, whichever arms want it.

A training is found again by a digest of its settings, its data and the version of thas; arms that differ in
localization or evaluation alone share one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.errors import UsageError, listing
from ..core.log import LOG, read_log
from ..core.narrowing import as_int
from ..core.plugin_imports import trust_typed
from ..core.presets import resolve_settings
from ..core.resume import TRACELESS
from ..core.settings_table import SettingsTable
from .half import AnyHalf, digest
from .plan import Arm, Experiment

DONE = "done.json"
TRAINED = "trained"


@dataclass(frozen=True)
class Training:
    """One network to be trained.

    Attributes:
        half: Its data.
        settings: Of the first arm that wants it, seed included.
        folder: Where it is kept.
        wanted_by: The arms that want it, with the number of the seed.
        cores: That it may use.
    """

    half: AnyHalf
    settings: SettingsTable
    folder: Path
    wanted_by: tuple[tuple[str, int], ...]
    cores: int = 1

    @property
    def whose(self) -> list[str]:
        """The arms that want it, for people."""
        return [f"{label}, seed {number}" for label, number in self.wanted_by]

    @property
    def epochs(self) -> int:
        """How many it is to have."""
        return as_int(self.settings.flat()["train.epochs"])

    @property
    def done(self) -> bool:
        """Whether it came to its end."""
        return (self.folder / DONE).exists()

    @property
    def epochs_done(self) -> int:
        """How far it is."""
        return min(len(read_log(self.folder / LOG)), self.epochs)


@dataclass(frozen=True)
class Plan:
    """What a sweep will do.

    Attributes:
        half: Its data.
        experiment: What it compares.
        arms: All of them.
        settings: Of each arm.
        trainings: Each network once, the first seed of all arms first.
        reference: The arm that the others are compared with.
    """

    half: AnyHalf
    experiment: Experiment
    arms: tuple[Arm, ...]
    settings: Mapping[str, SettingsTable]
    trainings: tuple[Training, ...]
    reference: str

    def members(self, arm: Arm) -> tuple[str, ...]:
        """The arms whose networks an arm uses: its own, or those of its ensemble."""
        return arm.ensemble or (arm.label,)

    def training(self, label: str, seed: int) -> Training:
        """The network of an arm and a seed."""
        return next(one for one in self.trainings if (label, seed) in one.wanted_by)


def make_plan(
    half: AnyHalf,
    experiment: Experiment,
    *,
    presets: Sequence[str] = (),
    config: Path | None = None,
    typed: Mapping[str, Sequence[object]] | None = None,
    seeds: int | None = None,
    reference: str | None = None,
) -> Plan:
    """What is to be trained and compared; nothing is written.

    Raises:
        UsageError: A setting is wrong, two arms are called alike, or there is no such reference.
    """
    experiment = replace(experiment.with_options(typed or {}), seeds=seeds or experiment.seeds)
    base, _ = resolve_settings(
        half.table,
        data_preset=half.preset,
        experiment=experiment.layers(),
        presets=presets,
        config=config,
        options={key: values[0] for key, values in (typed or {}).items() if len(values) == 1},
    )
    arms = experiment.all_arms()
    labels = [arm.label for arm in arms]
    repeated = {label for label in labels if labels.count(label) > 1}
    if repeated:
        raise UsageError(f"two arms are called {min(repeated)}", next="name each value once")
    chosen = reference or experiment.reference or labels[0]
    if chosen not in labels:
        raise UsageError(
            f"there is no arm {chosen!r} to compare with",
            why=f"the arms are {listing(map(repr, labels), 20)}",
            next="--reference with one of them",
        )
    trust_typed(value for arm in arms for value in arm.values.values())
    settings: dict[str, SettingsTable] = {
        arm.label: base.updated(arm.values, origin=f"arm {arm.label}") for arm in arms
    }
    if len({half.measures(one) for one in settings.values()}) > 1:
        raise UsageError("the arms differ in eval.iou, and have no measure in common", next="give all the same")
    data = digest(half.data())
    found: dict[str, Training] = {}
    for number in range(experiment.seeds):
        for arm in arms:
            if arm.ensemble:
                continue
            own = settings[arm.label]
            own = _as_trained(own.updated({"train.seed": as_int(own.flat()["train.seed"]) + number}))
            # What changes what is trained: all but settings of localization, evaluation and mere convenience.
            rest = {name for name in own.flat() if name.startswith(("localize.", "eval.")) or name in TRACELESS}
            taught = {name: value for name, value in own.flat().items() if name not in rest}
            code = own.code_of_parts()  # a plug-in that was edited is another
            key = digest([data, taught, code] if code else [data, taught])
            one = found.get(key) or Training(half, own, half.folder() / TRAINED / key, ())
            found[key] = replace(one, wanted_by=(*one.wanted_by, (arm.label, number)))
    return Plan(half, experiment, arms, settings, tuple(found.values()), chosen)


def _as_trained(settings: SettingsTable) -> SettingsTable:
    """Where nothing is hidden, how it would be hidden is of no account: one network for all arms without hiding."""
    if settings.flat()["hide.probability"] != 0:  # below 0 rules decide
        return settings
    plain = {key: value for key, value in type(settings)().flat().items() if key.startswith("hide.")}
    return settings.updated(plain | {"hide.probability": 0.0})
