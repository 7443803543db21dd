"""Settings compared over seeds, on either half of the package: `thas sweep`.

`plan` says what is compared, `half` what is asked of a half, `trainings` what is to be trained, `run` trains and
measures, `table` compares, `report` and `picture` show. Importing this package is cheap: the names below load their
modules when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .half import Half, Outcome
    from .plan import Arm, Experiment, read_experiment
    from .run import run_sweep
    from .table import SweepScores
    from .trainings import make_plan

_HOME = {
    "Arm": "plan",
    "Experiment": "plan",
    "Half": "half",
    "Outcome": "half",
    "SweepScores": "table",
    "make_plan": "trainings",
    "read_experiment": "plan",
    "run_sweep": "run",
}

__all__ = [
    "Arm",
    "Experiment",
    "Half",
    "Outcome",
    "SweepScores",
    "make_plan",
    "read_experiment",
    "run_sweep",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
