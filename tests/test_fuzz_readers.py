"""Changed files for every reader of what comes from elsewhere: named errors only, and nothing that is not finite."""

from __future__ import annotations

import time

import numpy as np
import pytest

from thas.core.errors import ThasError

from .fuzz_changes import changed, is_finite
from .fuzzed_annotators import ANNOTATORS
from .fuzzed_others import OTHERS
from .fuzzed_readers import READERS

ALL = {**READERS, **OTHERS, **ANNOTATORS}
# Features and weights from elsewhere may hold NaN: refused where they go into a cache or a network.
RAW = ("import_", "weights_")
SECONDS_A_READER = 0.05  # benchmarks/fuzz_readers.py tries as many as one has time for


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ALL)
def test_a_reader_raises_named_errors_only(tmp_path, name):
    reader = ALL[name]
    path = tmp_path / reader.file
    path.parent.mkdir(exist_ok=True)
    reader.make(path)
    sound = path.read_bytes()
    assert is_finite(reader.read(path))
    until = time.process_time() + SECONDS_A_READER
    tried = 0
    while tried < 20 or (time.process_time() < until and tried < 400):
        content = changed(sound, np.random.default_rng([sum(name.encode()), tried]), reader.kind)
        path.write_bytes(content)
        began = time.process_time()
        try:
            value = reader.read(path)
        except ThasError:
            value = 0
        except Exception as error:
            raise AssertionError(f"{name}: {type(error).__name__}: {error} from {content[:300]!r}") from error
        assert time.process_time() - began < 5, content[:300]
        assert name.startswith(RAW) or is_finite(value), content[:300]
        tried += 1
