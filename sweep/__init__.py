"""Settings compared over seeds, on either half of the package: `thas sweep`.

`plan` says what is compared, `half` what is asked of a half, `trainings` what is to be trained, `run` trains and
measures, `table` compares, `report` and `picture` show. Importing this package is cheap: the names below load their
modules when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .half import Half as Half
    from .half import Outcome as Outcome
    from .plan import Arm as Arm
    from .plan import Experiment as Experiment
    from .plan import read_experiment as read_experiment
    from .run import run_sweep as run_sweep
    from .table import SweepScores as SweepScores
    from .trainings import make_plan as make_plan

__getattr__, __dir__, __all__ = lazy_names(__name__)
