"""Files from which packets or bits were lost, of several codecs: no wrong frame without a mark."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thas.features.decode import decode_frames
from thas.features.extraction_job import refuse_damaged
from thas.features.frame_table import OtherFrames, UnreadableVideo
from thas.features.other_decoders import open_decord
from thas.features.picture_counts import MpegCounts
from thas.features.video import scan_video
from thas.features.whole_files import spoilt_parts

from .video_files import FRAMES_OPTIONS, number_of, write_video

FRAMES = 40


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("whole"), {}

    def make(codec, suffix):
        name = f"{codec}.{suffix}"
        if name not in made:
            encoder, options = FRAMES_OPTIONS[codec]
            path = write_video(folder / name, FRAMES, codec=encoder, options=options)
            table = scan_video(path)
            frames = list(decode_frames(path, table, range(FRAMES), decoder="pyav"))
            assert [number_of(frame) for frame in frames] == list(range(FRAMES))
            made[name] = path, table, frames
        return made[name]

    return make


def _without(source, target, lost):
    """Copy all packets but some, by their place."""
    import av

    with av.open(str(source)) as there, av.open(str(target), "w") as here:
        stream = there.streams.video[0]
        copy = here.add_stream_from_template(stream)
        for place, packet in enumerate(packet for packet in there.demux(stream) if packet.size):
            if place not in lost:
                packet.stream = copy
                here.mux(packet)
    return target


def _wrong_and_marked(path, whole):
    """Whether each frame differs from the one of its time, and whether it is marked; and the reason for a refusal."""
    _, sound, truth = whole
    table = scan_video(path)
    try:
        frames = list(decode_frames(path, table, range(len(table)), decoder="pyav"))
    except OtherFrames as error:
        table = error.table
        frames = list(decode_frames(path, table, range(len(table)), decoder="pyav"))
    numbers = np.round((table.start_seconds + table.origin_seconds - sound.origin_seconds) * 25).astype(int)
    wrong = [
        not 0 <= number < FRAMES or (np.abs(frame.astype(int) - truth[number]).max(axis=2) > 24).mean() > 0.01
        for number, frame in zip(numbers, frames, strict=True)
    ]
    why = ""
    try:
        refuse_damaged(path.name, table)
    except UnreadableVideo as error:
        why = error.why
    return np.array(wrong), table.lost_seconds(table.start_seconds, table.end_seconds) > 0, why


@pytest.mark.parametrize("codec", ["h264", "hevc", "mpeg2"])
@pytest.mark.parametrize("suffix", ["mkv", "ts"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_lost_packet_marks_what_refers_to_it(tmp_path, whole, codec, suffix, seed):
    lost = set(np.random.default_rng(seed).integers(1, FRAMES, 2).tolist())
    made = whole(codec, suffix)
    wrong, marked, why = _wrong_and_marked(_without(made[0], tmp_path / f"v.{suffix}", lost), made)
    assert not (wrong & ~marked).any()
    assert bool(why) or not wrong.any()
    assert not marked.all()


@pytest.mark.parametrize("codec", ["h264", "hevc", "mpeg2", "mpeg4", "vp9"])
def test_a_flipped_bit_in_matroska_is_told_by_its_checksum(tmp_path, whole, codec):
    made = whole(codec, "mkv")
    data = bytearray(made[0].read_bytes())
    data[-len(data) // 3] ^= 4
    path = tmp_path / "v.mkv"
    path.write_bytes(data)
    wrong, marked, why = _wrong_and_marked(path, made)
    assert "the checksum of its cluster" in why
    assert not (wrong & ~marked).any()
    assert list(spoilt_parts(made[0])) == []


@pytest.mark.parametrize("place", [0.3, 0.5, 0.9])
def test_a_flipped_bit_of_hevc_is_told_by_the_checksums_of_its_pictures(tmp_path, whole, place):
    made = whole("hevc-md5", "mp4")
    data = bytearray(made[0].read_bytes())
    begin = data.index(b"mdat")
    data[begin + round(int.from_bytes(data[begin - 4 : begin], "big") * place)] ^= 4
    path = tmp_path / "v.mp4"
    path.write_bytes(data)
    wrong, marked, why = _wrong_and_marked(path, made)
    assert why
    assert not (wrong & ~marked).any()
    assert open_decord(path, made[1])[0] is None  # which looks at none


def test_a_lost_packet_of_vp9_is_told_by_what_follows_it(tmp_path, whole):
    made = whole("vp9", "webm")
    wrong, marked, why = _wrong_and_marked(_without(made[0], tmp_path / "v.webm", {25}), made)
    assert wrong.any()
    assert "do not fit the pictures before it" in why
    assert marked.tolist() == [number >= 20 for number in range(FRAMES - 1)]  # from the key frame before it on


def test_flipped_bits_of_vp9_are_told(tmp_path, whole):
    made = whole("vp9", "webm")
    path = tmp_path / "v.webm"
    refused = 0
    for seed in range(4):
        data = bytearray(made[0].read_bytes())
        data[np.random.default_rng(seed).integers(len(data) // 4, len(data) - len(data) // 4)] ^= 16
        path.write_bytes(data)
        wrong, marked, why = _wrong_and_marked(path, made)
        assert not (wrong & ~marked).any()
        refused += bool(why)
    assert refused >= 3


def test_a_turned_video_of_vp9_is_upright(tmp_path):
    path = write_video(tmp_path / "v.mp4", 12, codec="libvpx-vp9", options={"g": "20", "deadline": "realtime"})
    table = scan_video(path)
    lying = list(decode_frames(path, table, range(12), decoder="pyav"))
    data = bytearray(path.read_bytes())
    matrix = data.index(b"\0\1\0\0", data.index(b"tkhd") + 44)
    one, minus = (1 << 16).to_bytes(4, "big"), (-1 << 16).to_bytes(4, "big", signed=True)
    data[matrix : matrix + 20] = bytes(4) + one + bytes(4) + minus + bytes(4)  # a quarter turn
    path.write_bytes(data)
    for turned, flat in zip(decode_frames(path, scan_video(path), range(12), decoder="pyav"), lying, strict=True):
        assert np.array_equal(turned, np.rot90(flat, -1))


@pytest.mark.parametrize(("codec", "suffix"), [("mpeg4", "avi"), ("mpeg4", "mp4"), ("vp9", "webm")])
def test_of_a_codec_that_counts_nothing_the_gap_is_noted(tmp_path, whole, codec, suffix):
    made = whole(codec, suffix)
    table = scan_video(_without(made[0], tmp_path / f"v.{suffix}", {15}))
    assert table.damage == ""
    assert any("need not tell" in note for note in table.notes)
    assert not any("need not tell" in note for note in made[1].notes)


def test_a_flipped_time_stamp_moves_no_sound_frame(tmp_path):
    options = {"g": "5", "bf": "0"}
    path = write_video(tmp_path / "v.mkv", 40, options=options, container_options={"cluster_time_limit": "400"})
    data = bytearray(path.read_bytes())
    cluster = data.index(b"\x1f\x43\xb6\x75", data.index(b"\x1f\x43\xb6\x75") + 4)
    block = data.index(b"\xa3", data.index(b"\xa3", cluster + 30) + 30)
    while data[block + 1] & 0x80 == 0 or data[block + 2] != 0x81:  # a short block of track 1
        block = data.index(b"\xa3", block + 1)
    data[block + 3] ^= 0x20  # its time, from that of the cluster on
    path.write_bytes(data)
    table = scan_video(path)
    assert table.lost is not None
    sound = np.flatnonzero(~table.lost)
    assert len(sound) > 20
    numbers = [number_of(frame) for frame in decode_frames(path, table, sound)]
    np.testing.assert_allclose(table.start_seconds[sound], np.array(numbers) / 25, atol=2e-3)


def test_a_matroska_file_without_checksums_is_not_refused(tmp_path):
    path = write_video(tmp_path / "v.mkv", 5, container_options={"write_crc32": "0"})
    assert list(spoilt_parts(path)) == []
    assert scan_video(path).damage == ""


def test_a_damaged_head_of_a_cluster_does_not_hide_the_next_ones(tmp_path):
    path = write_video(tmp_path / "v.mkv", 40, options={"crf": "40"}, container_options={"cluster_time_limit": "400"})
    data = bytearray(path.read_bytes())
    mark = b"\x1f\x43\xb6\x75"
    second = data.index(mark, data.index(mark) + 4)
    data[second] ^= 1
    data[-1 if data[-20:].find(mark) < 0 else 0] ^= 1
    last = data.rindex(mark)
    data[last + 60] ^= 1
    path.write_bytes(data)
    assert [part.begin for part in spoilt_parts(path)][-1:] == [last]


def _mpeg(pictures):
    """The heads of MPEG pictures, a packet each: I, P or B with its place in the order of showing; G begins a group."""
    packets = []
    for kind, number in pictures:
        if kind == "G":
            packets.append(b"\0\0\1\xb8\0\x08\0\x40")
            continue
        head = number << 6 | "IPB".index(kind) + 1 << 3
        packets.append(b"\0\0\1\0" + head.to_bytes(2, "big") + b"\xff\xf8")
    return packets


def _gaps(pictures):
    counts = MpegCounts()
    for place, packet in enumerate(_mpeg(pictures)):
        counts.add(place, packet)
    return sorted(counts.gaps())


def test_mpeg_pictures_are_counted_within_their_group():
    group = [("G", 0), ("I", 2), ("B", 0), ("B", 1), ("P", 5), ("B", 3), ("B", 4), ("P", 8), ("B", 6), ("B", 7)]
    assert _gaps(group * 3) == []
    assert _gaps([one for one in group if one != ("P", 5)] + group) == [1, 4, 5, 6]  # their lead is gone
    assert _gaps([*group[:2], *group[4:], *group]) == []  # cut in an open group: what led up to its first is gone
    plain = [("G", 0), ("I", 0), ("P", 1), ("P", 2), ("P", 3), ("P", 4)]
    assert _gaps(plain) == []
    assert _gaps([one for one in plain if one != ("P", 2)] + plain) == [3]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=3, max_size=12), st.integers(0, 1000), st.data())
def test_whatever_reference_is_lost_something_after_it_is_named(between, begin, data):
    """Any pattern of B-pictures: taking out one P-picture but the last is noticed at a packet that it spoils."""
    pictures, place = [("I", begin)], begin
    for count in between:
        place += count + 1
        pictures += [("P", place % 1024), *(("B", (place - count + i) % 1024) for i in range(count))]
    assert _gaps(pictures) == []
    references = [i for i, (kind, _) in enumerate(pictures) if kind == "P"][:-2]
    lost = data.draw(st.sampled_from(references or [None]))
    if lost is not None:
        counts = MpegCounts()
        for i, packet in enumerate(_mpeg(pictures)):
            if i != lost:
                counts.add(i, packet)
        assert counts._gaps
        assert min(counts._gaps) >= lost - 4
