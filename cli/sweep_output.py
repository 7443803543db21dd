"""What `thas sweep` prints: plans, tables, and where they are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.errors import listing, plural
from .console import note, print_as, print_json, print_wide, say

if TYPE_CHECKING:
    from ..sweep.over_sets import SetScores
    from ..sweep.table import SweepScores
    from ..sweep.trainings import Plan, Training
    from .options import Tables


def _state(one: Training) -> str:
    return "finished" if one.done else f"epoch {one.epochs_done}" if one.epochs_done else "to be trained"


def print_plans(plans: Sequence[Plan], printed: Tables) -> None:
    """What would be trained, and what is there already."""
    from ..sweep.plan import shown

    found: dict[str, object] = {}
    for plan in plans:
        arms = [
            {"label": a.label, "settings": {k: shown(v) for k, v in a.values.items()}, "ensemble": list(a.ensemble)}
            for a in plan.arms
        ]
        trainings = [{"folder": str(one.folder), "state": _state(one), "for": one.whose} for one in plan.trainings]
        found[plan.half.name()] = {"reference": plan.reference, "arms": arms, "trainings": trainings}
    if printed.as_json({"datasets": found} if len(found) > 1 else next(iter(found.values()))):
        return
    for plan in plans:
        runs = len(plan.arms) * plan.experiment.seeds
        arms, seeds = plural(len(plan.arms), "arm"), plural(plan.experiment.seeds, "seed")
        of = f"{plan.half.name()}: " if len(plans) > 1 else ""
        say(f"{of}{arms}, {seeds}: {plural(runs, 'run')} of {plural(len(plan.trainings), 'network')}")
        for arm in plan.arms:
            made = f", the mean of {listing(arm.ensemble, 20)}" if arm.ensemble else ""
            mark = " (reference)" if arm.label == plan.reference else ""
            say(f"  {arm.label}{made}{mark}")
        for one in plan.trainings:
            say(f"{one.folder}: {_state(one)}; {listing(one.whose, 3)}")


def print_sweep(scores: SweepScores, printed: Tables) -> None:
    """What a sweep found."""
    from ..sweep.report import difference_table, score_table

    if printed.json:
        print_json(scores.to_json())
    elif form := printed.form():
        print_as([table for table in (score_table(scores), difference_table(scores)) if table is not None], form)
    else:
        _print_scores(scores)


def print_over_sets(scores: SetScores, printed: Tables) -> None:
    """What a sweep on several data sets found: on each, over all, and by the choice with each left out."""
    from ..sweep.over_sets import interval_means
    from ..sweep.report import left_out_table, over_sets_table

    if printed.json:
        print_json(scores.to_json())
        return
    both = (over_sets_table(scores), left_out_table(scores))
    if form := printed.form():
        print_as(both, form)
        return
    for sweep in scores.sweeps:
        _print_scores(sweep)
    say(f"over all: {scores.measure}, per cent, and less {scores.reference}, points")
    print_wide(both[0])
    say(f"brackets: {interval_means(scores)}; * the interval leaves out 0")
    say("each data set left out: the arm that is best on the others, and what it scores there")
    print_wide(both[1])
    if (found := scores.choice()) is not None:
        value, low, high = (100 * part[scores.main] for part in (found.value, found.low, found.high))
        say(f"so chosen, less the reference: {value:+.1f} [{low:+.1f}, {high:+.1f}]")
    note(f"written: {scores.folder / 'sweep.json'}")


def _print_scores(scores: SweepScores) -> None:
    from ..sweep.report import difference_table, score_table, score_title

    if scores.title:
        say(f"{scores.title}{f' ({scores.source})' if scores.source else ''}")
    say(score_title(scores))
    print_wide(score_table(scores))
    table = difference_table(scores)
    if table is not None:
        say(f"difference from {scores.reference}, points")
        print_wide(table)
        say(f"brackets: {scores.interval_means}; * the interval leaves out 0")
    note("written: " + ", ".join(str(scores.folder / name) for name in ("sweep.json", "sweep.csv", "sweep.png")))
