"""Sweeps: arms trained with several seeds each, kept, and compared on the same draws of the test data."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core.errors import Failure
from ..core.files import write_atomically
from ..core.messages import Stage, logger
from ..core.narrowing import as_list
from ..core.processes import cores, only_one
from ..core.runs import new_folder
from ..core.settings_table import SettingsTable
from ..core.spread import Spread
from .half import AnyHalf, Outcome, digest
from .over_sets import SetScores, check_alike
from .plan import Arm
from .table import ArmScores, SweepScores
from .trainings import DONE, Plan, Training

MEASURED = "measured"


@dataclass(frozen=True)
class Measurement:
    """One arm's run of one seed, to be localized and scored."""

    half: AnyHalf
    settings: SettingsTable
    members: tuple[Path, ...]
    map_members: tuple[int, ...]
    draws: int
    path: Path


def run_sweep(plan: Plan, *, spread: Spread | None = None, draws: int = 1000, stage: Stage) -> SweepScores:
    """Train what is not trained yet, localize, score and compare; writes sweep.json, sweep.csv and sweep.png."""
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
                    logger.warning("%s failed: %s", one.whose[0], result)
                else:
                    warned = {str(text) for text in as_list(result.get("warnings", []))}
                    for text in warned - said:
                        logger.warning(text)
                    said |= warned
                advance(left[i], one.whose[0])
    return failed


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
