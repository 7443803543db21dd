"""What the package uses of OpenCV, whose contributed modules are an optional extra."""

import numpy as np

from . import optflow as optflow

COLOR_RGB2GRAY: int

def setNumThreads(nthreads: int) -> None: ...
def cvtColor(src: np.ndarray, code: int) -> np.ndarray: ...
