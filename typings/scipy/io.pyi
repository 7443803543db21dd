"""What the package uses of scipy.io, which brings no types of its own."""

from pathlib import Path

import numpy as np

def whosmat(file_name: Path) -> list[tuple[str, tuple[int, ...], str]]: ...
def loadmat(file_name: Path, *, variable_names: list[str]) -> dict[str, np.ndarray]: ...
