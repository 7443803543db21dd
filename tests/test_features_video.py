from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pytest

from thas.core.errors import DataError
from thas.datasets.check import read_duration
from thas.features.decode import decode_frames
from thas.features.video import UnreadableVideo, scan_video

from .conftest import SHARED
from .video_files import number_of, write_video

QUICK = {"preset": "ultrafast", "crf": "18"}


def _numbers(path, wanted, **how):
    table = scan_video(path)
    return [number_of(frame) for frame in decode_frames(path, table, wanted, **how)]


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("plain.mp4", {}),
        ("plain.mkv", {}),
        ("vp9.webm", {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}),
        ("bframes.mp4", {"options": {"bf": "3", "preset": "fast"}}),
        ("rate.mp4", {"fps": Fraction(30000, 1001)}),
        ("odd.mp4", {"size": (98, 162), "options": {"preset": "fast"}}),
        ("ts.ts", {"options": {"bf": "2", "preset": "fast"}}),
        ("mpeg4.avi", {"codec": "mpeg4", "options": {}}),
        ("ten_bit.mp4", {"pixels": "yuv420p10le"}),
        ("av1.mp4", {"codec": "libsvtav1", "options": {"preset": "8", "crf": "15"}}),
        ("hevc.mp4", {"codec": "libx265", "options": {"preset": "ultrafast", "x265-params": "log-level=none"}}),
        ("mpeg2.mpg", {"codec": "mpeg2video", "options": {"bf": "2", "g": "12"}}),
        ("open_gop.mp4", {"options": {"x264-params": "open-gop=1:keyint=10:bframes=3", "preset": "fast"}}),
    ],
)
def test_frames_and_times_are_the_shown_ones(tmp_path, name, how):
    how = {"options": QUICK} | how
    path = write_video(tmp_path / name, 60, **how)
    table = scan_video(path)
    fps = float(how.get("fps", 25))
    assert len(table) == 60
    np.testing.assert_allclose(table.start_seconds, np.arange(60) / fps, atol=2e-3)
    np.testing.assert_allclose(table.end_seconds, np.arange(1, 61) / fps, atol=2e-3)
    assert table.missing_seconds < 0.1
    assert _numbers(path, range(60)) == list(range(60))
    wanted = [3, 17, 18, 19, 41, 59]
    assert _numbers(path, wanted) == wanted
    assert _numbers(path, wanted, decoder="pyav") == wanted


def test_a_variable_rate_is_read_from_the_packets(tmp_path):
    stamps = np.cumsum([0, *([1, 4, 2] * 13)]).tolist()
    path = write_video(tmp_path / "v.mkv", 40, fps=30, stamps=stamps, options=QUICK)
    table = scan_video(path)
    np.testing.assert_allclose(table.start_seconds, np.array(stamps) / 30, atol=2e-3)
    np.testing.assert_allclose(table.end_seconds[:-1], table.start_seconds[1:])
    assert _numbers(path, [0, 13, 39]) == [0, 13, 39]


def test_times_begin_with_the_first_shown_frame(tmp_path):
    path = write_video(tmp_path / "late.mkv", 20, fps=10, stamps=list(range(50, 70)), options=QUICK)
    table = scan_video(path)
    assert table.start_seconds[0] == 0
    assert table.duration_seconds == pytest.approx(2.0, abs=0.02)
    assert table.missing_seconds < 0.1


def test_what_an_edit_list_cuts_off_is_not_shown(tmp_path):
    import av

    source = write_video(tmp_path / "source.mp4", 60, fps=10, options={"g": "20", "bf": "0"})
    options = {"use_editlist": "1", "avoid_negative_ts": "disabled"}
    with av.open(str(source)) as whole, av.open(str(tmp_path / "edit.mp4"), "w", options=options) as cut:
        stream = whole.streams.video[0]
        copy = cut.add_stream_from_template(stream)
        for packet in whole.demux(stream):
            if packet.size:
                packet.pts -= int(1.5 / stream.time_base)
                packet.dts -= int(1.5 / stream.time_base)
                packet.stream = copy
                cut.mux(packet)
    table, used = scan_video(tmp_path / "edit.mp4"), {}
    assert len(table) == 45
    assert table.duration_seconds == pytest.approx(4.5, abs=0.01)
    frames = decode_frames(tmp_path / "edit.mp4", table, range(45), used=used)
    assert [number_of(frame) for frame in frames] == list(range(15, 60))
    assert used["decoder"] == "pyav"
    assert used["decoder_reason"] == "it counts 60 frames where the packets show 45"


def test_the_two_decoders_give_the_same_bytes(tmp_path):
    for name in ("a.mp4", "a.mkv"):
        path = write_video(tmp_path / name, 40, options={"bf": "2", "g": "12", "preset": "fast"})
        table, used = scan_video(path), {}
        wanted = [0, 5, 6, 7, 20, 33, 39]
        first = list(decode_frames(path, table, wanted, decoder="decord", used=used))
        second = list(decode_frames(path, table, wanted, decoder="pyav"))
        assert used["decoder"] == "decord"
        assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_real_files_agree_between_the_decoders():
    folder = SHARED / "videos"
    if not folder.exists():
        pytest.skip("needs the real videos, which do not come with the project")
    trusted = 0
    for path in sorted(folder.iterdir()):
        table, used = scan_video(path), {}
        wanted = np.unique(np.linspace(0, len(table) - 1, 4).astype(int))
        auto = list(decode_frames(path, table, wanted, used=used))
        assert len(auto) == len(wanted)
        if used["decoder"] == "decord":  # else it is PyAV's already
            pyav = list(decode_frames(path, table, wanted, decoder="pyav"))
            assert all(np.array_equal(a, b) for a, b in zip(auto, pyav, strict=True)), path.name
            trusted += 1
    assert trusted >= 20


@pytest.mark.parametrize("name", ["a.ts", "a.avi", "open.mp4"])
def test_decord_is_not_trusted_where_jumping_goes_wrong(tmp_path, name):
    codec = "mpeg4" if name == "a.avi" else "libx264"
    options = {"x264-params": "open-gop=1:keyint=10:bframes=3"} if name == "open.mp4" else {"g": "10"}
    path = write_video(tmp_path / name, 40, codec=codec, options=options)
    table, used = scan_video(path), {}
    assert [number_of(f) for f in decode_frames(path, table, [25], used=used)] == [25]
    assert used["decoder"] == "pyav"
    assert "jump" in used["decoder_reason"]
    with pytest.raises(UnreadableVideo, match="open") as caught:
        list(decode_frames(path, table, [25], decoder="decord"))
    assert "not to be trusted" in caught.value.why


def test_decord_is_not_given_what_it_could_hoard(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", 40, options=QUICK)
    table, used = scan_video(path), {}
    monkeypatch.setattr("thas.features.decode._DECORD_WHOLE_BYTES", 40 * 96 * 160 * 3 - 1)
    assert len(list(decode_frames(path, table, [3], used=used))) == 1
    assert used["decoder"] == "pyav"
    assert "reads ahead without limit" in used["decoder_reason"]
    used = {}
    assert len(list(decode_frames(path, table, [3], decoder="decord", used=used))) == 1
    assert used["decoder"] == "decord"


def test_an_empty_file(tmp_path):
    path = tmp_path / "empty.mp4"
    path.touch()
    with pytest.raises(UnreadableVideo) as caught:
        scan_video(path)
    assert (caught.value.stage, caught.value.why) == ("open", "the file is empty")


def test_random_bytes_and_a_folder_and_nothing(tmp_path):
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(50_000))
    (tmp_path / "folder.mp4").mkdir()
    for name in ("noise.mp4", "folder.mp4", "absent.mp4"):
        with pytest.raises(UnreadableVideo) as caught:
            scan_video(tmp_path / name)
        assert caught.value.stage == "open"
        assert name in str(caught.value)


def test_sound_alone_is_no_video(tmp_path):
    import av

    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(UnreadableVideo) as caught:
        scan_video(tmp_path / "sound.mp4")
    assert caught.value.why == "it holds no video, only audio"


def test_a_truncated_mkv_is_short_of_what_it_claims(tmp_path):
    path = write_video(tmp_path / "v.mkv", 100, options=QUICK)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert scan_video(path).missing_seconds > 1.0


def test_longer_sound_is_no_truncation(tmp_path):
    table = scan_video(write_video(tmp_path / "v.mp4", 50, options=QUICK, audio_seconds=5.0))
    assert table.duration_seconds == pytest.approx(2.0, abs=0.05)
    assert table.missing_seconds < 0.1


def test_the_error_survives_a_pickle():
    error = UnreadableVideo("v", stage="decode", why="broken", frames=7)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.stage, again.frames, again.subject) == (str(error), "decode", 7, "v")


def test_a_list_of_other_files_is_no_video_whatever_it_is_called(tmp_path):
    """FFmpeg goes by the content, and would show what lies beside it."""
    write_video(tmp_path / "real.mp4", 10)
    for name in ("a.mp4", "a.mkv"):
        (tmp_path / name).write_text("ffconcat version 1.0\nfile real.mp4\n")
        with pytest.raises(UnreadableVideo, match="a list of other files"):
            scan_video(tmp_path / name)
        with pytest.raises(DataError, match="cannot be opened"):
            read_duration(tmp_path / name)
    assert len(scan_video(tmp_path / "real.mp4").start_seconds) == 10
