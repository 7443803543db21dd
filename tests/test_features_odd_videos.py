"""Files as cameras, broadcasters and cutters leave them: all frames and true times, or the reason."""

from __future__ import annotations

import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thas.core.errors import UsageError
from thas.features.decode import decode_frames, require_decoder
from thas.features.frame_folder import is_frame_folder
from thas.features.frame_table import FrameTable, UnreadableVideo
from thas.features.opening import upright
from thas.features.stamps import times_of_stamps
from thas.features.thorough import Account, Event, Frame, Packet
from thas.features.verdict import judge
from thas.features.video import scan_video
from thas.features.video_files import find_videos

from .video_files import field_coded, field_number, number_of, numbered_frame, write_video

OPEN = {"preset": "fast", "x264-params": "open-gop=1:keyint=20:bframes=3"}


def _numbers(path, table, **how):
    return [number_of(frame) for frame in decode_frames(path, table, range(len(table)), **how)]


def _copy(source, target, keep, shift=0, **options):
    """Copy the packets that `keep` wants, by their place."""
    import av

    with av.open(str(source)) as whole, av.open(str(target), "w", **options) as cut:
        stream = whole.streams.video[0]
        copy = cut.add_stream_from_template(stream)
        for place, packet in enumerate(packet for packet in whole.demux(stream) if packet.size):
            if keep(place):
                packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, copy
                cut.mux(packet)
    return target


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("odd") / "v.mp4", 80, options={"g": "20", "bf": "2", "preset": "fast"})


@pytest.mark.parametrize("suffix", ["h264", "ts", "mkv", "mp4"])
@pytest.mark.parametrize("rate", [25, None])
def test_two_fields_make_a_frame(tmp_path, suffix, rate):
    path = tmp_path / "v.h264"
    path.write_bytes(field_coded(30, rate=rate))
    if suffix != "h264":
        path = _copy_stamped(path, tmp_path / f"v.{suffix}")
    table = scan_video(path)
    assert len(table) == 30
    assert table.duration_seconds == pytest.approx(1.2)
    assert [field_number(frame) for frame in decode_frames(path, table, range(30))] == list(range(30))
    assert table.damage == ""
    assert table.guessed_fps == (25 if rate is None and suffix == "h264" else None)
    assert scan_video(path, fps=10).duration_seconds == pytest.approx(3.0 if table.guessed_fps else 1.2)


def _copy_stamped(source, target):
    """A bare stream of fields with a time for each."""
    import av

    with av.open(str(source)) as bare, av.open(str(target), "w") as out:
        stream = bare.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for place, packet in enumerate(packet for packet in bare.demux(stream) if packet.size):
            packet.pts = packet.dts = place
            packet.time_base, packet.stream = Fraction(1, 50), copy
            out.mux(packet)
    return target


@pytest.mark.parametrize("name", ["v.ts", "v.mkv"])
def test_a_stream_that_begins_between_key_frames(tmp_path, source, name):
    path = _copy(source, tmp_path / name, lambda place: place >= 27)
    table = scan_video(path)
    assert _numbers(path, table) == list(range(40, 80))
    assert table.duration_seconds == pytest.approx(1.6, abs=2e-3)
    assert table.damage == ""
    assert any("between key frames" in note for note in table.notes)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_cut_in_an_open_group_of_pictures(tmp_path, codec):
    options = OPEN if codec == "libx264" else {"preset": "fast", "x265-params": "log-level=none:keyint=20:bframes=3"}
    whole = write_video(tmp_path / "whole.mkv", 60, codec=codec, options=options)
    path = _copy(whole, tmp_path / "cut.mkv", lambda place: place >= 23)
    table = scan_video(path)
    numbers = _numbers(path, table)
    assert numbers == list(range(numbers[0], 60))
    assert numbers[0] <= 41
    assert table.damage == ""


def test_a_lost_reference_is_damage_and_what_follows_is_kept(tmp_path, source):
    path = _copy(source, tmp_path / "gap.mkv", lambda place: place != 22)
    table = scan_video(path)
    assert "Frame num gap" in table.damage
    frames = list(decode_frames(path, table, range(79)))
    truth = {f.tobytes() for f in decode_frames(source, scan_video(source), range(80), decoder="pyav")}
    sound = [frame.tobytes() in truth for frame in frames]
    assert all(good or lost for good, lost in zip(sound, table.lost, strict=True))
    assert not all(sound)
    assert 10 <= table.lost.sum() <= 22
    assert not table.lost[45:].any()


@pytest.mark.parametrize("bits", range(8))
def test_all_eight_orientations(tmp_path, source, bits):
    # The display matrix of the track: a stored pixel (x, y) is shown at (a x + c y, b x + d y), up to a shift.
    first, second = (1 if bits & 1 else -1), (1 if bits & 2 else -1)
    a, b, c, d = (0, first, second, 0) if bits & 4 else (first, 0, 0, second)
    data, plain = source.read_bytes(), struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    turned = struct.pack(">9i", 65536 * a, 65536 * b, 0, 65536 * c, 65536 * d, 0, 0, 0, 1 << 30)
    place = data.rindex(plain)
    path = tmp_path / "turned.mp4"
    path.write_bytes(data[:place] + turned + data[place + len(plain) :])
    stored = next(iter(decode_frames(source, scan_video(source), [37], decoder="pyav")))
    height, width = stored.shape[:2]
    shown = np.empty((width, height, 3) if bits & 4 else (height, width, 3), np.uint8)
    for y, x in ((0, 0), (10, 3), (70, 20), (height - 1, width - 1)):
        down, across = b * x + d * y, a * x + c * y
        shown[down % shown.shape[0], across % shown.shape[1]] = stored[y, x]
    for decoder in ("pyav", "auto"):
        got = next(iter(decode_frames(path, scan_video(path), [37], decoder=decoder)))
        assert got.shape == shown.shape
        for y, x in ((0, 0), (10, 3), (70, 20), (height - 1, width - 1)):
            down, across = b * x + d * y, a * x + c * y
            # A mirrored axis counts from its other end.
            down -= (b * x + d * y) < 0 or (b < 0 or d < 0)
            across -= (a * x + c * y) < 0 or (a < 0 or c < 0)
            assert np.array_equal(got[down, across], stored[y, x])


def test_a_tilted_picture_is_left_as_it_is():
    picture = np.arange(12).reshape(2, 2, 3)
    assert upright(picture, (46341, 46341, -46341, 46341)) is picture


def test_a_header_that_lies_is_told_from_a_file_that_is_cut_off(tmp_path):
    path = write_video(tmp_path / "v.flv", 50, codec="flv", options={"g": "10"})
    data = path.read_bytes()
    place = data.index(b"duration") + 9
    lying = data[:place] + struct.pack(">d", 20.0) + data[place + 8 :]
    path.write_bytes(lying)
    table = scan_video(path)
    assert len(table) == 50
    assert table.missing_seconds == 0
    assert "the header says 20.0 s" in table.notes[-1]
    path.write_bytes(lying[: len(lying) * 2 // 3])
    assert scan_video(path).missing_seconds > 10


def _pictures(folder, numbers, name="img_{:05d}.png"):
    from PIL import Image

    folder.mkdir()
    for number in numbers:
        Image.fromarray(numbered_frame(number)).save(folder / name.format(number))
    return folder


def test_a_folder_of_pictures_is_a_video(tmp_path):
    folder = _pictures(tmp_path / "v", range(7, 13), "img_{}.png")  # 10 sorts after 9
    assert is_frame_folder(folder)
    table, used = scan_video(folder, fps=10), {}
    assert _numbers(folder, table, used=used) == list(range(7, 13))
    assert table.duration_seconds == pytest.approx(0.6)
    assert (table.guessed_fps, used["decoder"]) == (None, "pillow")
    assert scan_video(folder).guessed_fps == 25


def test_a_missing_picture_is_named(tmp_path):
    folder = _pictures(tmp_path / "v", [1, 2, 5, 6])
    table = scan_video(folder, fps=10)
    assert table.damage == "2 pictures are missing, the first after img_00002.png"
    np.testing.assert_allclose(table.holes_seconds, [[0.2, 0.4]])
    np.testing.assert_allclose(table.start_seconds, [0, 0.1, 0.4, 0.5])


def test_videos_are_found_by_what_they_hold(tmp_path):
    (tmp_path / "below").mkdir()
    write_video(tmp_path / "below" / "A.MTS", 5, format="mpegts")
    write_video(tmp_path / "b.unknown", 5, format="matroska")
    _pictures(tmp_path / "c", [1, 2])
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / "d.strange").write_bytes(b"\x01nothing" * 50)
    (tmp_path / "e.mp4.part").write_bytes(b"")
    videos, left_out = find_videos(tmp_path)
    assert [path.name for path in videos] == ["b.unknown", "A.MTS", "c"]
    assert sorted(path.name for path in left_out) == ["d.strange", "e.mp4.part"]
    assert left_out[tmp_path / "e.mp4.part"] == "an unfinished download"


def test_stamps_that_stand_still_are_spread():
    # 2000 frames a second in milliseconds: two share each stamp.
    times = times_of_stamps([i // 2 for i in range(100)], Fraction(1, 1000))
    np.testing.assert_allclose(times.start_seconds, np.arange(100) / 2000)
    assert times.end_seconds[-1] == pytest.approx(0.05)


@given(
    st.lists(st.integers(1, 50), min_size=3, max_size=30),
    st.integers(-500, 500),
    st.sets(st.integers(0, 30)),
)
def test_stamps_give_times_that_rise_from_zero(steps, origin, absent):
    stamps = (origin + np.cumsum(steps)).tolist()
    given_ = [None if i in absent and i else stamp for i, stamp in enumerate(stamps)]
    times = times_of_stamps(given_, Fraction(1, 1000))
    assert times.start_seconds[0] == 0
    assert (np.diff(times.start_seconds) > 0).all()
    known = [i for i, stamp in enumerate(given_) if stamp is not None]
    np.testing.assert_allclose(times.start_seconds[known], [(stamps[i] - stamps[0]) / 1000 for i in known], atol=1e-9)


def test_another_clock_continues_the_one_before():
    times = times_of_stamps([10000, 10040, 10080, 20, 60], Fraction(1, 1000), clocks_restart=True)
    np.testing.assert_allclose(times.start_seconds, [0, 0.04, 0.08, 0.12, 0.16])


def _account(events=(), corrupt=()):
    """Ten pictures in groups of five, key frames at 0 and 5, shown in the order of decoding."""
    packets = [Packet(i * 40, 40, key=i % 5 == 0) for i in range(10)]
    frames = [Frame(i, i * 40, key=i % 5 == 0, intra=i % 5 == 0, corrupt=i in corrupt) for i in range(10)]
    return Account(packets, frames, list(events))


def test_what_the_decoder_prints_is_a_note_unless_a_frame_suffers():
    assert judge(_account([Event(3, "error", "h264: mmco: unref short failure")])).damage == ""
    verdict = judge(_account(corrupt=[2]))
    assert verdict.damage == "the decoder marks a frame as damaged"
    assert np.flatnonzero(verdict.lost).tolist() == [2, 3, 4]
    verdict = judge(_account([Event(7, "reference", "h264: Frame num gap 4 2")]))
    # Where bytes are gone, they may have been the end of the picture before.
    assert np.flatnonzero(verdict.lost).tolist() == [6, 7, 8, 9]


def test_a_picture_that_gave_no_frame_is_a_hole():
    account = _account([Event(2, "failure", "InvalidDataError: broken")])
    del account.frames[2]
    verdict = judge(account)
    assert verdict.damage == "InvalidDataError: broken"
    assert [account.frames[i].packet for i in verdict.shown[verdict.lost]] == [3, 4]
    assert verdict.holes.tolist() == [[80, 120]]


def test_lost_time_is_counted_once():
    starts = np.arange(5) / 10
    lost = np.array([False, True, True, False, False])
    holes = np.array([[0.25, 0.35]])
    table = FrameTable(starts, starts + 0.1, "mkv", "h264", 8, 8, lost=lost, holes_seconds=holes)
    spans = np.array([0, 0.1, 0.3, 0.4]), np.array([0.1, 0.3, 0.4, 0.5])
    np.testing.assert_allclose(table.lost_seconds(*spans), [0, 0.2, 0.05, 0], atol=1e-9)
    assert table.total_lost_seconds == pytest.approx(0.25)
    assert table.first_lost == 1


def test_torchcodec_gives_the_same_frames(source):
    try:
        require_decoder("torchcodec")
    except UsageError as error:
        pytest.skip(f"{error.what}: {error.why}")
    table, used = scan_video(source), {}
    frames = list(decode_frames(source, table, [0, 3, 40, 79], decoder="torchcodec", used=used))
    assert [number_of(frame) for frame in frames] == [0, 3, 40, 79]
    assert used["decoder"] == "torchcodec"
    pyav = list(decode_frames(source, table, [0, 3, 40, 79], decoder="pyav"))
    assert all(np.array_equal(a, b) for a, b in zip(frames, pyav, strict=True))


def test_torchcodec_is_not_trusted_with_other_frames(tmp_path):
    try:
        require_decoder("torchcodec")
    except UsageError as error:
        pytest.skip(f"{error.what}: {error.why}")
    path = tmp_path / "v.h264"
    path.write_bytes(field_coded(10))
    with pytest.raises(UnreadableVideo) as caught:
        list(decode_frames(path, scan_video(path), range(10), decoder="torchcodec"))
    assert caught.value.next.startswith("leave out --decoder torchcodec")


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_transport_streams_joined_end_to_end(tmp_path, codec):
    piece = write_video(tmp_path / "piece.ts", 30, codec=codec, options={"g": "10", "bf": "2"})
    path = tmp_path / "v.ts"
    path.write_bytes(2 * piece.read_bytes())
    table = scan_video(path)
    assert table.damage == ""
    assert table.lost is None
    assert _numbers(path, table) == [*range(30), *range(30)]
    np.testing.assert_allclose(table.start_seconds, np.arange(60) / 25, atol=1e-3)


def test_b_pictures_in_avi_have_the_times_of_their_order(tmp_path):
    path = write_video(tmp_path / "v.avi", 40, codec="mpeg4", options={"bf": "2", "g": "12"})
    plain = write_video(tmp_path / "plain.avi", 40, codec="mpeg4", options={"g": "12"})
    for file in (path, plain):
        table = scan_video(file)
        assert _numbers(file, table) == list(range(40))
        np.testing.assert_allclose(table.start_seconds, np.arange(40) / 25, atol=1e-6)


def test_stamps_in_the_order_of_decoding_at_the_end_are_no_other_clock():
    times = times_of_stamps([2, 4, 3, 6, 5, 8, 7], Fraction(1, 25))
    assert not any("clock" in note for note in times.notes)


def test_a_bare_stream_that_begins_between_key_frames(tmp_path, source):
    whole = _copy(source, tmp_path / "whole.h264", lambda place: True)
    data = whole.read_bytes()
    path = tmp_path / "v.h264"
    path.write_bytes(data[len(data) // 3 :])
    table = scan_video(path)
    assert table.damage == ""
    numbers = _numbers(path, table)
    assert numbers == list(range(numbers[0], 80))
