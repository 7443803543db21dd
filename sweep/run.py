"""Sweeps: arms trained with several seeds each, kept, and compared on the same draws of the test data.

A training is found again by a digest of its settings, its data and the version of thas; arms that differ in
localization or evaluation alone share one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core.errors import UsageError, listing
from ..core.failures import Failure
from ..core.files import write_atomically
from ..core.messages import logger
from ..core.narrowing import as_int, as_list
from ..core.plugin_imports import trust_typed
from ..core.processes import cores, only_one
from ..core.progress import Stage
from ..core.resume import TRACELESS
from ..core.runs import new_folder
from ..core.settings_table import SettingsTable
from ..core.spread import Spread
from .half import AnyHalf, Outcome, digest
from .over_sets import SetScores, check_alike
from .plan import Arm, Experiment
from .table import ArmScores, SweepScores

DONE = "done.json"
TRAINED, MEASURED = "trained", "measured"
# Progress of one stage: called with a title, a total and a unit, it yields a function that advances it.


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
        log = self.folder / "log.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return min(len(lines), self.epochs)


@dataclass(frozen=True)
class Measurement:
    """One arm's run of one seed, to be localized and scored."""

    half: AnyHalf
    settings: SettingsTable
    members: tuple[Path, ...]
    map_members: tuple[int, ...]
    draws: int
    path: Path


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

    Args:
        half: With its data set.
        experiment: What to compare.
        presets: Settings by name.
        config: A file of settings.
        typed: Values by dotted key; of several the grid is made.
        seeds: Instead of the experiment's.
        reference: Instead of the experiment's.

    Raises:
        UsageError: A setting is wrong, two arms are called alike, or there is no such reference.
    """
    experiment = replace(experiment.with_options(typed or {}), seeds=seeds or experiment.seeds)
    base = half.settings(experiment, presets=presets, config=config)
    single = {key: values[0] for key, values in (typed or {}).items() if len(values) == 1}
    base = base.updated(single, origin="option")
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
            taught = {name: value for name, value in own.flat().items() if _teaches(name)}
            code = own.code_of_parts()  # a plug-in that was edited is another
            key = digest([data, taught, code] if code else [data, taught])
            one = found.get(key) or Training(half, own, half.folder() / TRAINED / key, ())
            found[key] = replace(one, wanted_by=(*one.wanted_by, (arm.label, number)))
    return Plan(half, experiment, arms, settings, tuple(found.values()), chosen)


def _teaches(key: str) -> bool:
    """Whether a setting changes what is trained: all but those of localization, evaluation and mere convenience."""
    return key.split(".")[0] not in ("localize", "eval") and key not in TRACELESS


def _as_trained(settings: SettingsTable) -> SettingsTable:
    """Where nothing is hidden, how it would be hidden is of no account: one network for all arms without hiding."""
    if settings.flat()["hide.probability"] != 0:  # below 0 rules decide
        return settings
    plain = {key: value for key, value in type(settings)().flat().items() if key.startswith("hide.")}
    return settings.updated(plain | {"hide.probability": 0.0})


def run_sweep(plan: Plan, *, spread: Spread | None = None, draws: int = 1000, stage: Stage) -> SweepScores:
    """Train what is not trained yet, localize, score and compare; writes sweep.json, sweep.csv and sweep.png.

    Args:
        plan: From `make_plan`.
        spread: Over what processes or machines; this one's GPUs or cores if None.
        draws: Of the bootstrap.
        stage: Shows progress.

    Returns:
        All that was found; what failed is named in it.
    """
    half, started = plan.half, time.perf_counter()
    truth = half.truth()  # asked for first: without it, hours of training could not be scored
    left_out = half.left_out()
    spread = spread or Spread()
    devices = gpus() if all(one.settings.flat()["train.device"] == "auto" for one in plan.trainings) else None
    failed = _train(plan, spread, devices, stage=stage)
    jobs, reasons = _measurements(plan, failed, draws=draws, truth=digest(truth))
    outcomes: dict[tuple[str, int], Outcome] = {}
    keys = list(jobs)
    with (
        stage("localizing and scoring", len(keys), "runs") as advance,
        closing(spread.run(_measure, list(jobs.values()), devices=devices)) as results,
    ):
        for i, result in results:
            if isinstance(result, Failure):
                reasons[keys[i]] = str(result)
            else:
                outcomes[keys[i]] = result
            advance(1)
    for line in sorted({text for outcome in outcomes.values() for text in outcome.warnings}):
        logger.warning(line)
    first = plan.settings[plan.reference]
    scores = SweepScores(
        name=plan.experiment.name,
        title=plan.experiment.title,
        source=plan.experiment.source,
        dataset=half.name(),
        kind=half.table.kind,
        things=half.things,
        measure_title=half.title,
        measures=half.measures(first),
        main=half.main,
        seeds=plan.experiment.seeds,
        reference=plan.reference,
        swept=plan.experiment.swept,
        arms=tuple(_arm_scores(plan, arm, outcomes, reasons) for arm in plan.arms),
        baselines=half.baselines(first),
        draws=draws,
        seconds=round(time.perf_counter() - started, 1),
        folder=new_folder(half.folder() / plan.experiment.name),
        left_out=left_out,
    )
    scores.write()
    if any(arm.seeds for arm in scores.arms):
        from .picture import draw_sweep

        draw_sweep(scores, scores.folder / "sweep.png")
    return scores


def run_sweeps(plans: Sequence[Plan], *, spread: Spread | None = None, draws: int = 1000, stage: Stage) -> SetScores:
    """A plan on each of several data sets, and what they say together; each keeps its own files, too.

    Raises:
        UsageError: See `check_alike`.
    """
    check_alike([one.half.name() for one in plans], [one.half.measures(one.settings[one.reference]) for one in plans])
    for plan in plans:
        plan.half.truth()  # without it, hours of training on the sets before could not be compared
    sweeps = tuple(run_sweep(plan, spread=spread, draws=draws, stage=stage) for plan in plans)
    first = plans[0]
    scores = SetScores(sweeps, new_folder(first.half.runs / "sweeps" / first.experiment.name))
    scores.write()
    return scores


def gpus() -> list[str]:
    """The CUDA devices by name."""
    import torch

    return [f"cuda:{i}" for i in range(torch.cuda.device_count())]


def _train(plan: Plan, spread: Spread, devices: Sequence[str] | None, *, stage: Stage) -> dict[Path, str]:
    """Train what is not trained yet; returns the folders of those that failed, with the reason."""
    failed: dict[Path, str] = {}
    jobs = [one for one in plan.trainings if not one.done]
    if not jobs:
        return failed
    share = max(1, cores() // spread.processes(len(jobs), devices or ()))
    jobs = [replace(one, cores=share) for one in jobs]
    left = [one.epochs - one.epochs_done for one in jobs]
    said: set[str] = set()
    with stage(f"training {len(jobs)} of {len(plan.trainings)} networks", sum(left), "epochs") as advance:

        def on_step(i: int) -> None:
            left[i] -= 1
            advance(1)

        with closing(spread.run(_train_one, jobs, devices=devices, on_step=on_step)) as results:
            for i, result in results:
                one = jobs[i]
                if isinstance(result, Failure):
                    failed[one.folder] = str(result)
                    logger.warning("%s failed: %s", _who(one), result)
                else:
                    warned = {str(text) for text in as_list(result.get("warnings", []))}
                    for text in warned - said:
                        logger.warning(text)
                    said |= warned
                advance(left[i], _who(one))
    return failed


def _who(training: Training) -> str:
    """The first arm that wants it."""
    label, number = training.wanted_by[0]
    return f"{label}, seed {number}"


def _train_one(job: Training, device: str, step: Callable[[], None]) -> dict[str, object]:
    with only_one(job.folder):
        if job.done:  # another sweep was quicker
            return json.loads((job.folder / DONE).read_text(encoding="utf-8"))
        settings = _on(device, job.settings)
        started = time.perf_counter()
        facts = job.half.train(settings, job.folder, cores=job.cores, on_epoch=step)
        facts["seconds"] = round(time.perf_counter() - started, 1)
        write_atomically(job.folder / DONE, json.dumps(facts, indent=1) + "\n")
        return facts


def _on(device: str, settings: SettingsTable) -> SettingsTable:
    """Settings with the device that a process was given, unless they name one themselves."""
    given = device and settings.flat()["train.device"] == "auto"
    return settings.updated({"train.device": device}) if given else settings


def _measurements(
    plan: Plan, failed: Mapping[Path, str], *, draws: int, truth: str
) -> tuple[dict[tuple[str, int], Measurement], dict[tuple[str, int], str]]:
    """What is to be measured, and what cannot be, with the reason."""
    jobs: dict[tuple[str, int], Measurement] = {}
    reasons: dict[tuple[str, int], str] = {}
    for number in range(plan.experiment.seeds):
        for arm in plan.arms:
            names = plan.members(arm)
            members = tuple(plan.training(label, number).folder for label in names)
            lost = [label for label, folder in zip(names, members, strict=True) if folder in failed]
            if lost:
                reasons[arm.label, number] = f"its member {lost[0]} failed" if arm.ensemble else failed[members[0]]
                continue
            own = plan.settings[arm.label]
            scoring = {key: value for key, value in own.flat().items() if key.startswith(("localize.", "eval."))}
            maps = tuple(names.index(label) for label in arm.map_members)
            key = digest([truth, [folder.name for folder in members], maps, scoring, draws])
            path = plan.half.folder() / MEASURED / f"{key}.npz"
            jobs[arm.label, number] = Measurement(plan.half, own, members, maps, draws, path)
    return jobs, reasons


def _measure(job: Measurement, device: str, step: Callable[[], None]) -> Outcome:
    kept = Outcome.load(job.path)
    if kept is not None:
        return kept
    settings = _on(device, job.settings)
    # The same draws for every run: what is compared is drawn alike.
    found = job.half.measure(job.members, settings, map_members=job.map_members, draws=job.draws, seed=0)
    found.save(job.path)
    return found


def _arm_scores(
    plan: Plan, arm: Arm, outcomes: Mapping[tuple[str, int], Outcome], reasons: Mapping[tuple[str, int], str]
) -> ArmScores:
    numbers = [number for number in range(plan.experiment.seeds) if (arm.label, number) in outcomes]
    found = [outcomes[arm.label, number] for number in numbers]
    runs = {n: [str(plan.training(label, n).folder) for label in plan.members(arm)] for n in numbers}
    return ArmScores(
        label=arm.label,
        settings=dict(arm.values),
        ensemble=arm.ensemble,
        seeds=tuple(numbers),
        values=np.stack([one.values for one in found]) if found else np.zeros((0, 0)),
        draws=np.stack([one.draws for one in found]) if found else np.zeros((0, 0, 0)),
        runs=runs,
        failed={n: reasons[arm.label, n] for n in range(plan.experiment.seeds) if (arm.label, n) in reasons},
    )
