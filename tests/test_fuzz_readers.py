"""Changed bytes for every reader of files from elsewhere: named errors only, and nothing that is not finite."""

from __future__ import annotations

import time

import numpy as np
import pytest

from thas.core.errors import ThasError

from .fuzzed_readers import READERS, changed, is_finite

# Features from elsewhere may hold NaN, and weights: refused where they are written to a cache, or put into a network.
RAW = ("import_", "weights_")
SECONDS_A_READER = 0.25


@pytest.mark.parametrize("name", READERS)
def test_a_reader_raises_named_errors_only(tmp_path, name):
    reader = READERS[name]
    path = tmp_path / reader.file
    reader.make(path)
    sound = path.read_bytes()
    assert is_finite(reader.read(path))
    draw = np.random.default_rng(sum(name.encode()))
    until = time.process_time() + SECONDS_A_READER
    tried = 0
    while tried < 20 or (time.process_time() < until and tried < 400):
        content = changed(sound, draw)
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
