"""`thas sweep`, `thas image sweep` and `thas list experiments`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from ..core.errors import PartialFailure, ThasError, UsageError, counted, listing, plural
from .console import note, out, print_as, print_json, print_wide, progress, table_form, warn
from .temporal import SET, SEVERAL

if TYPE_CHECKING:
    from ..sweep.half import Half
    from ..sweep.plan import Experiment
    from ..sweep.run import Plan
    from ..sweep.table import SweepScores

_FLAG = Parameter(negative=())


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """What the sweeps of both halves are told.

    Parameters
    ----------
    dataset
        A data set's name (`thas list datasets`; of images, `ilsvrc` in `<data-root>/ilsvrc`), or its folder.
    set_
        Settings, as section.name=value,value; one of a single value is the same for all arms, of several every
        combination is an arm. A value that is itself a list stands in brackets.
    seeds
        Runs of each arm; 3 unless the experiment says otherwise.
    reference
        The arm that the others are compared with; the first by default.
    preset
        Settings by name or file, as in the training command.
    config
        A TOML file of settings, such as a run's settings.toml.
    train_subset
        The subset to learn from.
    test_subset
        The subset to localize and score.
    workers
        Processes; one a GPU, or one a core, by default.
    draws
        Of the bootstrap that gives the intervals.
    name
        For the folder of the results; the experiment's, or the settings', by default.
    data_root
        The folder that holds data sets called by name.
    runs
        The folder that holds runs: `runs`, for images `runs/image`, by default.
    dry_run
        Print what would be trained, then stop.
    markdown
        Print the tables alone, as Markdown.
    latex
        Print the tables alone, as LaTeX (booktabs).
    json
        Print one JSON object.
    """

    dataset: str
    set_: Annotated[list[str] | None, SET] = None
    seeds: int | None = None
    reference: str | None = None
    preset: Annotated[list[str] | None, SEVERAL] = None
    config: Path | None = None
    train_subset: str | None = None
    test_subset: str | None = None
    workers: int | None = None
    draws: int = 1000
    name: str | None = None
    data_root: Path = Path("data")
    runs: Path | None = None
    dry_run: Annotated[bool, _FLAG] = False
    markdown: Annotated[bool, _FLAG] = False
    latex: Annotated[bool, _FLAG] = False
    json: Annotated[bool, _FLAG] = False


def sweep(
    experiment: str | None = None,
    /,
    *,
    options: SweepOptions,
    features: Path | None = None,
    skip_missing: Annotated[bool, _FLAG] = False,
) -> int:
    """Train with several settings and several seeds each, and compare them.

    What is trained is kept: run again it continues, and another sweep takes what it shares with this one.

    For example:

        thas sweep --dataset my_videos --set hide.probability=0,0.25,0.5,0.75 --seeds 5

        thas sweep --dataset my_videos --set 'hide.size=[5,10],[0,5,10],5' network.pooling=max,mean

        thas sweep hide_probability --dataset my_videos

        thas sweep my_own.toml --dataset my_videos --dry-run

    Parameters
    ----------
    experiment
        A TOML file of arms, or the name of one that comes with thas (`thas list experiments`).
    options
        What the sweeps of both halves are told.
    features
        The feature cache; `<data set>/features` by default.
    skip_missing
        Train without the videos that have no features; they are named, and the exit code is 3.
    """
    found = _experiment(experiment, options.set_ or [], options.name, "temporal")
    return _sweep(found, options, features=features, skip_missing=skip_missing)


def image_sweep(experiment: str | None = None, /, *, options: SweepOptions) -> int:
    """Train on images with several settings and several seeds each, and compare them.

    As `thas sweep`, with the settings of `thas image train`; an experiment of the image half runs with either.

    For example:

        thas image sweep --dataset my_photos --preset images-128 --set 'hide.size=0,16,[0,8,16]' --seeds 3

        thas image sweep image_sizes --dataset ilsvrc

    Parameters
    ----------
    experiment
        A TOML file of arms, or the name of one that comes with thas (`thas list experiments`).
    options
        What the sweeps of both halves are told.
    """
    found = _experiment(experiment, options.set_ or [], options.name, "image")
    return _sweep(found, options, features=None, skip_missing=False)


def _experiment(
    given: str | None, pairs: list[str], name: str | None, half: Literal["temporal", "image"]
) -> Experiment:
    """The experiment of a file, or an empty one that --set fills."""
    from dataclasses import replace

    from ..sweep.plan import Experiment, find_experiment, parse_options, read_experiment

    if given is not None:
        found = read_experiment(find_experiment(given))
        if half == "image" and found.half != half:
            raise UsageError(f"{given} is an experiment on videos", next=f"thas sweep {given}")
        found = found if name is None else replace(found, name=name)
    else:
        several = [key for key, values in parse_options(pairs).items() if len(values) > 1]
        if not several:
            raise UsageError(
                "there is nothing to compare",
                why="neither an experiment nor a setting of several values was given",
                next="--set hide.probability=0,0.5; or thas list experiments",
            )
        found = Experiment(name or "+".join(several), half=half)
    if "/" in found.name or found.name in ("trained", "measured", "", ".", ".."):
        raise UsageError(f"{found.name!r} cannot be the name of a folder of results", next="--name NAME")
    return found


def _sweep(experiment: Experiment, options: SweepOptions, *, features: Path | None, skip_missing: bool) -> int:
    from ..sweep.plan import parse_options
    from ..sweep.run import make_plan, run_sweep

    form = table_form(options.markdown, options.latex, json=options.json)
    given = {"--seeds": options.seeds, "--workers": options.workers, "--draws": options.draws}
    for option, value in given.items():
        if value is not None and value < 1:
            raise UsageError(f"{option} must be 1 or more, but is {value}", next=f"{option} 3")
    half = _half(experiment.half, options, features, skip_missing)
    plan = make_plan(
        half,
        experiment,
        presets=options.preset or [],
        config=options.config,
        typed=parse_options(options.set_ or []),
        seeds=options.seeds,
        reference=options.reference,
    )
    left_out = half.left_out()
    if left_out:
        one, many = "training video without features is left out", "training videos without features are left out"
        warn(counted(left_out, one, many))
    if options.dry_run:
        _print_plan(plan, json=options.json)
        return 0
    scores = run_sweep(
        plan,
        workers=options.workers,
        draws=options.draws,
        stage=progress,
    )
    if options.json:
        print_json(scores.to_json())
    elif form is not None:
        from ..sweep.report import difference_table, score_table

        print_as([table for table in (score_table(scores), difference_table(scores)) if table is not None], form)
    else:
        _print_scores(scores)
    if scores.failed:
        whole = all(not arm.seeds for arm in scores.arms)
        error = ThasError if whole else PartialFailure
        runs_wanted = plural(len(scores.arms) * scores.seeds, "run")
        raise error(
            f"{len(scores.failed)} of {runs_wanted} failed: {listing(scores.failed, 10)}",
            why=next(iter(scores.failed.values())),
            next="correct it and run the same command again: what is finished is kept",
        )
    return 3 if left_out else 0


def _half(kind: str, options: SweepOptions, features: Path | None, skip_missing: bool) -> Half[Any]:
    from ..core.data_options import DataOptions, VideoOptions
    from ..core.runs import ROOTS

    places = {
        "train_subset": options.train_subset,
        "test_subset": options.test_subset,
        "data_root": options.data_root,
    }
    if kind == "image":
        from ..image_has.sweep import ImageHalf

        for option, given in (("--features", features is not None), ("--skip-missing", skip_missing)):
            if given:
                raise UsageError(
                    f"{option} goes with videos", why="this experiment is of the image half", next=f"leave {option} out"
                )
        return ImageHalf(options.dataset, options.runs or ROOTS["image"], DataOptions(**places))
    from ..temporal_has.sweep import TemporalHalf

    of = VideoOptions(**places, features=features, skip_missing=skip_missing)
    return TemporalHalf(options.dataset, options.runs or ROOTS["temporal"], of)


def _print_plan(plan: Plan, *, json: bool) -> None:
    """What would be trained, and what is there already."""
    from ..sweep.plan import shown

    rows = []
    for one in plan.trainings:
        state = "finished" if one.done else f"epoch {one.epochs_done}" if one.epochs_done else "to be trained"
        wanted = [f"{label}, seed {number}" for label, number in one.wanted_by]
        rows.append({"folder": str(one.folder), "state": state, "for": wanted})
    if json:
        arms = [
            {"label": a.label, "settings": {k: shown(v) for k, v in a.values.items()}, "ensemble": list(a.ensemble)}
            for a in plan.arms
        ]
        print_json({"reference": plan.reference, "arms": arms, "trainings": rows})
        return
    runs = len(plan.arms) * plan.experiment.seeds
    arms, seeds = plural(len(plan.arms), "arm"), plural(plan.experiment.seeds, "seed")
    out.print(f"{arms}, {seeds}: {plural(runs, 'run')} of {plural(len(rows), 'network')}")
    for arm in plan.arms:
        made = f", the mean of {listing(arm.ensemble, 20)}" if arm.ensemble else ""
        mark = " (reference)" if arm.label == plan.reference else ""
        out.print(f"  {arm.label}{made}{mark}", markup=False)
    for row in rows:
        out.print(f"{row['folder']}: {row['state']}; {listing(row['for'], 3)}", markup=False)


def _print_scores(scores: SweepScores) -> None:
    from ..sweep.report import difference_table, score_table, score_title

    if scores.title:
        out.print(f"{scores.title}{f' ({scores.source})' if scores.source else ''}", markup=False)
    out.print(score_title(scores), markup=False)
    print_wide(score_table(scores))
    table = difference_table(scores)
    if table is not None:
        out.print(f"difference from {scores.reference}, points", markup=False)
        print_wide(table)
        out.print(f"brackets: {scores.interval_means}; * the interval leaves out 0", markup=False)
    note("written: " + ", ".join(str(scores.folder / name) for name in ("sweep.json", "sweep.csv", "sweep.png")))


def list_experiments(*, json: Annotated[bool, _FLAG] = False) -> None:
    """The experiments that `thas sweep` knows by name: the tables of the paper, and more.

    For example:

        thas list experiments

    Parameters
    ----------
    json
        Print one JSON object.
    """
    from ..sweep.plan import experiment_names, find_experiment, read_experiment

    found: dict[str, Any] = {name: read_experiment(find_experiment(name)) for name in experiment_names()}
    if json:
        print_json({name: {"half": one.half, "title": one.title, "source": one.source} for name, one in found.items()})
        return
    for name, one in found.items():
        out.print(f"{name}: {one.title} ({one.half} half)", markup=False)
        out.print(f"    {one.source}", markup=False)
