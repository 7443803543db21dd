"""`thas sweep`, `thas image sweep` and `thas list experiments`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from ..core.data_options import DataOptions, VideoOptions
from ..core.errors import PartialFailure, ThasError, UsageError, counted, listing, plural
from ..core.spread import Spread
from .console import progress, warn
from .options import Help, Set, Tables, also, options

if TYPE_CHECKING:
    from ..sweep.half import AnyHalf
    from ..sweep.plan import Experiment
    from ..sweep.table import SweepScores


@options
class SweepOptions(Tables):
    """What the sweeps of both halves are told."""

    dataset: Annotated[str | None, also(Help.DATASET, "Of images, `ilsvrc` lies in `<data-root>/ilsvrc`.")] = None
    datasets: list[str] | None = None
    """Several instead: compared on each and over all, and the best arm chosen with each of them left out."""
    set_: Annotated[
        Set,
        also(
            Help.SET,
            "Of several values, value,value, every combination is an arm; one of a single value is the same for all. "
            "A value that is itself a list stands in brackets.",
        ),
    ] = None
    seeds: int | None = None
    """Runs of each arm; 3 unless the experiment says otherwise."""
    reference: str | None = None
    """The arm that the others are compared with; the first by default."""
    preset: Annotated[list[str] | None, also(Help.PRESET, "As in the training command.")] = None
    config: Path | None = None
    """A TOML file of settings, such as a run's settings.toml."""
    draws: int = 1000
    """Of the bootstrap that gives the intervals."""
    name: str | None = None
    """For the folder of the results; the experiment's, or the settings', by default."""
    runs: Path | None = None
    """The folder that holds runs. `runs`, for images `runs/image`, by default."""
    dry_run: bool = False
    """Print what would be trained, then stop."""


_DEFAULTS = SweepOptions()
_Experiment = Annotated[
    str | None,
    Parameter(help="A TOML file of arms, or the name of one that comes with thas (`thas list experiments`)."),
]
Spreading = Annotated[Spread, Parameter(name="*")]


def sweep(
    experiment: _Experiment = None,
    /,
    *,
    options: SweepOptions = _DEFAULTS,
    spread: Spreading = Spread(),
    data: Annotated[VideoOptions, Parameter(name="*")] = VideoOptions(),
) -> int:
    """Train with several settings and several seeds each, and compare them.

    What is trained is kept: run again it continues, and another sweep takes what it shares with this one.

    For example:

        thas sweep --dataset my_videos --set hide.probability=0,0.25,0.5,0.75 --seeds 5

        thas sweep --dataset my_videos --set 'hide.size=[5,10],[0,5,10],5' network.pooling=max,mean

        thas sweep hide_probability --dataset my_videos

        thas sweep my_own.toml --dataset my_videos --dry-run

        thas sweep heads --datasets my_videos other_videos third_videos
    """
    return _sweep(_experiment(experiment, options, "temporal"), options, spread, data)


def image_sweep(
    experiment: _Experiment = None,
    /,
    *,
    options: SweepOptions = _DEFAULTS,
    spread: Spreading = Spread(),
    data: Annotated[DataOptions, Parameter(name="*")] = DataOptions(),
) -> int:
    """Train on images with several settings and several seeds each, and compare them.

    As `thas sweep`, with the settings of `thas image train`; an experiment of the image half runs with either.

    For example:

        thas image sweep --dataset my_photos --preset images-128 --set 'hide.size=0,16,[0,8,16]' --seeds 3

        thas image sweep image_sizes --dataset ilsvrc
    """
    return _sweep(_experiment(experiment, options, "image"), options, spread, data)


def _experiment(given: str | None, options: SweepOptions, half: Literal["temporal", "image"]) -> Experiment:
    """The experiment of a file, or an empty one that --set fills."""
    from dataclasses import replace

    from ..sweep.plan import Experiment, find_experiment, parse_options, read_experiment

    if given is not None:
        found = read_experiment(find_experiment(given))
        if half == "image" and found.half != half:
            raise UsageError(f"{given} is an experiment on videos", next=f"thas sweep {given}")
        found = found if options.name is None else replace(found, name=options.name)
    else:
        several = [key for key, values in parse_options(options.set_ or []).items() if len(values) > 1]
        if not several:
            raise UsageError(
                "there is nothing to compare",
                why="neither an experiment nor a setting of several values was given",
                next="--set hide.probability=0,0.5; or thas list experiments",
            )
        found = Experiment(options.name or "+".join(several), half=half)
    if "/" in found.name or found.name in ("trained", "measured", "", ".", ".."):
        raise UsageError(f"{found.name!r} cannot be the name of a folder of results", next="--name NAME")
    return found


def _sweep(experiment: Experiment, options: SweepOptions, spread: Spread, data: DataOptions) -> int:
    from ..sweep.plan import parse_options
    from ..sweep.run import run_sweep, run_sweeps
    from ..sweep.trainings import make_plan
    from .sweep_output import print_over_sets, print_plans, print_sweep

    options.form()  # refuses what does not go together before anything is trained
    given = {"--seeds": options.seeds, "--workers": spread.workers, "--draws": options.draws}
    for option, value in given.items():
        if value is not None and value < 1:
            raise UsageError(f"{option} must be 1 or more, but is {value}", next=f"{option} 3")
    spread.check()
    halves = [_half(experiment.half, name, options.runs, data) for name in _datasets(options, data)]
    plans = [
        make_plan(
            half,
            experiment,
            presets=options.preset or [],
            config=options.config,
            typed=parse_options(options.set_ or []),
            seeds=options.seeds,
            reference=options.reference,
        )
        for half in halves
    ]
    left_out = [video for half in halves for video in half.left_out()]
    if left_out:
        one, many = "training video without features is left out", "training videos without features are left out"
        warn(counted(left_out, one, many))
    if options.dry_run:
        print_plans(plans, options)
        return 0
    how = {"spread": spread, "draws": options.draws}
    if len(plans) > 1 or options.datasets:
        over_sets = run_sweeps(plans, **how, stage=progress)
        print_over_sets(over_sets, options)
        sweeps = over_sets.sweeps
    else:
        sweeps = (run_sweep(plans[0], **how, stage=progress),)
        print_sweep(sweeps[0], options)
    _account_for(sweeps)
    return 3 if left_out else 0


def _datasets(options: SweepOptions, data: DataOptions) -> list[str]:
    """Those named."""
    if (options.dataset is None) == (not options.datasets):
        raise UsageError(
            "no data set is named" if options.dataset is None else "--dataset and --datasets exclude each other",
            next="--dataset NAME-OR-FOLDER; or --datasets A B C, to compare on several",
        )
    if options.datasets and isinstance(data, VideoOptions) and data.features is not None:
        raise UsageError("--features is of one data set", next="leave --features out; each data set has its own")
    return options.datasets or [str(options.dataset)]


def _account_for(sweeps: Sequence[SweepScores]) -> None:
    """End with exit code 3 if some runs failed, 1 if all did."""
    failed = {what: why for one in sweeps for what, why in one.failed.items()}
    if failed:
        whole = all(not arm.seeds for one in sweeps for arm in one.arms)
        error = ThasError if whole else PartialFailure
        runs_wanted = plural(sum(len(one.arms) * one.seeds for one in sweeps), "run")
        raise error(
            f"{sum(len(one.failed) for one in sweeps)} of {runs_wanted} failed: {listing(failed, 10)}",
            why=next(iter(failed.values())),
            next="correct it and run the same command again: what is finished is kept",
        )


def _half(kind: str, dataset: str, runs: Path | None, data: DataOptions) -> AnyHalf:
    from ..core.runs import ROOTS

    videos = data if isinstance(data, VideoOptions) else VideoOptions(**vars(data))
    if kind == "image":
        from ..image_has.sweep import ImageHalf

        for option, given in (("--features", videos.features is not None), ("--skip-missing", videos.skip_missing)):
            if given:
                raise UsageError(
                    f"{option} goes with videos", why="this experiment is of the image half", next=f"leave {option} out"
                )
        return ImageHalf(dataset, runs or ROOTS["image"], data)
    from ..temporal_has.sweep import TemporalHalf

    return TemporalHalf(dataset, runs or ROOTS["temporal"], videos)
