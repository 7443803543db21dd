from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thas.core.errors import UsageError
from thas.features.clips import plan_clips, spread
from thas.features.pool import _Window


def _grid(count, fps=10.0):
    return np.arange(count) / fps, np.arange(1, count + 1) / fps


def test_a_stride_by_hand():
    plan = plan_clips(*_grid(10), length_frames=4, stride_frames=3)
    assert plan.frames.tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    np.testing.assert_allclose(plan.start_seconds, [0.0, 0.3, 0.6])
    np.testing.assert_allclose(plan.end_seconds, [0.4, 0.7, 1.0])
    assert plan.centre_frame.tolist() == [2, 5, 8]
    assert plan.repeated == 0


def test_a_stride_in_seconds_is_that_of_the_videos_rate():
    for fps, first in ((25.0, [0, 8, 16, 24]), (30.0, [0, 10, 19, 29]), (10.0, [0, 3, 6, 10, 13, 16])):
        plan = plan_clips(*_grid(20 if fps == 10 else 40, fps), length_frames=4, stride_seconds=0.32)
        assert plan.frames[: len(first), 0].tolist() == first


@given(
    count=st.integers(1, 300),
    fps=st.sampled_from([5.0, 23.976, 25.0, 29.97, 60.0]),
    rate=st.sampled_from([None, 25.0, 12.0]),
    seconds=st.floats(0.01, 3),
)
def test_strides_in_seconds_are_even_to_half_a_frame(count, fps, rate, seconds):
    start, end = _grid(count, fps)
    plan = plan_clips(start, end, length_frames=4, stride_seconds=seconds, fps=rate)
    frame = max(1 / fps, 1 / (rate or fps))
    steps = np.arange(len(plan)) * max(seconds, 1 / (rate or fps))
    assert plan.start_seconds[0] == 0
    assert np.abs(plan.start_seconds - steps).max() <= 1.5 * frame + 1e-3 * len(plan) * frame
    # Another clip would not fit.
    assert end[-1] - plan.start_seconds[-1] < max(seconds, frame) + 6 * frame


def test_no_spacing_is_an_error():
    with pytest.raises(ValueError, match="give snippets"):
        plan_clips(*_grid(20), length_frames=4)


def test_a_number_of_clips_goes_from_the_first_frame_to_the_last():
    plan = plan_clips(*_grid(100), length_frames=16, snippets=4)
    assert plan.frames[:, 0].tolist() == [0, 28, 56, 84]
    assert plan.frames[-1, -1] == 99


def test_no_more_clips_than_there_are():
    assert len(plan_clips(*_grid(20), length_frames=16, snippets=2000)) == 5
    assert len(plan_clips(*_grid(3000), length_frames=16, snippets=2000)) == 2000


def test_one_clip_lies_in_the_middle():
    assert plan_clips(*_grid(20), length_frames=4, snippets=1).frames.tolist() == [[8, 9, 10, 11]]


@pytest.mark.parametrize("count", [1, 3, 15])
def test_a_short_video_gives_one_clip_with_its_last_frame_repeated(count):
    plan = plan_clips(*_grid(count), length_frames=16, stride_seconds=0.3)
    assert plan.frames.tolist() == [[*range(count), *[count - 1] * (16 - count)]]
    assert plan.repeated == 16 - count
    np.testing.assert_allclose(plan.end_seconds, [count / 10])


def test_a_step_between_the_frames():
    plan = plan_clips(*_grid(20), length_frames=3, frame_step=4, stride_frames=10)
    assert plan.frames.tolist() == [[0, 4, 8], [10, 14, 18]]


def test_another_rate_takes_the_frame_shown_at_each_instant():
    # Frames appear at 0, 0.1, 0.5 and 0.6 s; at five a second the instants are 0, 0.2, 0.4, 0.6.
    start, end = np.array([0.0, 0.1, 0.5, 0.6]), np.array([0.1, 0.5, 0.6, 0.8])
    plan = plan_clips(start, end, length_frames=2, stride_frames=2, fps=5)
    assert plan.frames.tolist() == [[0, 1], [1, 3]]
    np.testing.assert_allclose(plan.end_seconds, [0.5, 0.8])


@pytest.mark.parametrize("fps", [24, 25, 29.97, 30])
def test_its_own_rate_changes_nothing(fps):
    start, end = _grid(300, fps)
    own = plan_clips(start, end, length_frames=16, stride_frames=16)
    again = plan_clips(start, end, length_frames=16, stride_frames=16, fps=fps)
    assert again.frames[:-1].tolist() == own.frames[: len(again) - 1].tolist()


@pytest.mark.parametrize(("stride", "count"), [(8, 12), (16, 6), (5, 18)])
def test_pytorchvideos_sampler_gives_the_same_clips_at_a_steady_rate(stride, count):
    how = {"length_frames": 8, "frame_step": 2, "stride_frames": stride}
    theirs = plan_clips(*_grid(104), **how, sampler="pytorchvideo")
    ours = plan_clips(*_grid(104), **how)
    assert len(theirs) == count
    assert theirs.frames[:, 0].tolist() == ours.frames[: len(theirs), 0].tolist()
    # Within a window of 16 frames its subsampling spreads 8 from the first to the last.
    assert theirs.frames[0].tolist() == [0, 2, 4, 6, 8, 10, 12, 15]


def test_pytorchvideos_sampler_leaves_no_gaps():
    with pytest.raises(UsageError, match="no gaps"):
        plan_clips(*_grid(500), length_frames=8, stride_frames=9, sampler="pytorchvideo")
    assert len(plan_clips(*_grid(5), length_frames=8, stride_frames=8, sampler="pytorchvideo")) == 1


@given(st.integers(0, 500), st.integers(1, 60))
def test_spread_is_even(room, count):
    places = spread(room, count)
    assert len(places) == count
    assert places.min() >= 0
    assert places.max() <= room
    if count > 1:
        assert (places[0], places[-1]) == (0, room)
        assert np.ptp(np.diff(places)) <= 1


@given(
    st.integers(1, 80), st.integers(1, 20), st.integers(1, 3), st.integers(1, 25), st.integers(1, 9), st.integers(0, 99)
)
def test_the_window_puts_every_clip_together_once(count, length, step, stride, block, seed):
    plan = plan_clips(*_grid(count), length_frames=length, frame_step=step, stride_frames=stride)
    stream = np.arange(count, dtype=np.uint8)[plan.wanted].reshape(-1, 1, 1, 1)
    window = _Window(np.searchsorted(plan.wanted, plan.frames))
    clips = []
    for at in range(0, len(stream), block):
        for row, portion in window.add(stream[at : at + block]):
            assert row == len(clips)
            clips.extend(portion[:, :, 0, 0, 0].tolist())
    assert clips == plan.frames.tolist()
