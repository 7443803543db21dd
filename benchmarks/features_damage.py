"""What becomes of damaged videos: numbered frames are encoded, spoilt, decoded, and their numbers read back.

    python benchmarks/features_damage.py [--seeds 10] [--decoder pyav] [CODEC:SUFFIX ...]

Every file is used as `thas extract-features` uses it, then once more as `--keep-partial` does. The table says:

- refused: files that are named as damaged.
- harmless: files accepted, all of whose frames show the picture that they should.
- silent: files accepted in which some frame shows another picture than it should.
- of kept parts, frames kept right, frames marked, and frames that are wrong without a mark.

Wrong is a frame whose number is not the one of its time, or whose picture differs visibly from the sound file's: by
more than 24 of 256 levels in a hundredth of its pixels.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import av
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from thas.features.decode import decode_frames
from thas.features.extraction_job import refuse_damaged
from thas.features.frame_table import FrameTable, OtherFrames, UnreadableVideo
from thas.features.video import scan_video
from thas.features.worker import StderrWatch
from thas.tests.video_files import FRAMES_OPTIONS, number_of, write_video

FRAMES, FPS = 60, 25
FILES = [
    *("h264:mp4", "h264:mkv", "h264:ts", "hevc:mp4", "hevc:mkv", "hevc:ts", "hevc-md5:mp4", "hevc-md5:ts"),
    *("mpeg2:mpg", "mpeg2:ts", "mpeg2:mkv"),
    *("mpeg4:avi", "mpeg4:mp4", "mpeg4:mkv", "vp9:webm", "vp9:mkv", "av1:mp4", "av1:mkv", "av1:webm"),
]


def flip(path: Path, draw: np.random.Generator) -> None:
    """Three bits, anywhere."""
    data = bytearray(path.read_bytes())
    for _ in range(3):
        data[draw.integers(len(data))] ^= 1 << int(draw.integers(8))
    path.write_bytes(data)


def hole(path: Path, draw: np.random.Generator) -> None:
    """Up to 3000 bytes are gone."""
    data = bytearray(path.read_bytes())
    at = int(draw.integers(len(data)))
    del data[at : at + int(draw.integers(1, 3000))]
    path.write_bytes(data)


def zeros(path: Path, draw: np.random.Generator) -> None:
    """Up to 3000 bytes are zero."""
    data = bytearray(path.read_bytes())
    at = int(draw.integers(len(data)))
    span = data[at : at + int(draw.integers(1, 3000))]
    data[at : at + len(span)] = bytes(len(span))
    path.write_bytes(data)


def cut(path: Path, draw: np.random.Generator) -> None:
    """The end is gone."""
    data = path.read_bytes()
    path.write_bytes(data[: int(draw.integers(len(data)))])


def drop(path: Path, draw: np.random.Generator) -> None:
    """One to three packets of the stream are gone, the container written anew about the others."""
    lost = set(draw.integers(1, FRAMES, int(draw.integers(1, 4))).tolist())
    whole = path.with_stem("whole")
    path.rename(whole)
    with av.open(str(whole)) as source, av.open(str(path), "w") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream, opaque=True)
        for place, packet in enumerate(packet for packet in source.demux(stream) if packet.size):
            if place not in lost:
                packet.stream = copy
                out.mux(packet)


DAMAGES = {"flip": flip, "hole": hole, "zeros": zeros, "cut": cut, "drop": drop}


class Truth:
    """The sound file's frames."""

    def __init__(self, path: Path) -> None:
        table = scan_video(path)
        self.frames = list(decode_frames(path, table, range(len(table)), decoder="pyav"))
        self.origin = table.origin_seconds
        if [number_of(frame) for frame in self.frames] != list(range(FRAMES)):
            raise SystemExit(f"{path.name}: its encoder or its decoder does not keep the numbers")

    def wrong(self, frame: np.ndarray, second: float) -> bool:
        """Whether a frame shown at a second of the container's clock is another one."""
        number = round((second - self.origin) * FPS)
        if not 0 <= number < FRAMES or frame.shape != self.frames[number].shape or number_of(frame) != number:
            return True
        off = np.abs(frame.astype(int) - self.frames[number]).max(axis=2)
        return float((off > 24).mean()) > 0.01


def frames_of(path: Path, decoder: str, watch: StderrWatch) -> tuple[FrameTable, list[np.ndarray], str]:
    """The table that is used in the end, its frames, and why a careful user does not get them."""
    why = ""
    watch()
    table = scan_video(path, watch=watch)
    try:
        refuse_damaged(path.name, table)
    except UnreadableVideo as error:
        why = error.why
    for _ in range(2):
        frames = []
        try:
            for frame in decode_frames(path, table, range(len(table)), decoder=decoder, watch=watch):  # type: ignore[arg-type]
                frames.append(frame)
        except OtherFrames as error:
            table = error.table
            try:
                refuse_damaged(path.name, table)
            except UnreadableVideo as refused:
                why = refused.why
            continue
        except UnreadableVideo as error:
            why = why or error.why
        return table, frames, why
    return table, frames, why or "it changes each time that it is read"


def measure(codec: str, suffix: str, kind: str, seeds: int, decoder: str, folder: Path, watch: StderrWatch) -> Counter:
    encoder, options = FRAMES_OPTIONS[codec]
    source = write_video(folder / f"source.{suffix}", FRAMES, fps=FPS, codec=encoder, options=options)
    truth, whole = Truth(source), source.read_bytes()
    path, found = folder / f"spoilt.{suffix}", Counter()
    for seed in range(seeds):
        path.write_bytes(whole)
        DAMAGES[kind](path, np.random.default_rng(seed))
        found["files"] += 1
        try:
            table, frames, why = frames_of(path, decoder, watch)
        except UnreadableVideo:
            found["refused"] += 1
            continue
        seconds = table.start_seconds[: len(frames)] + table.origin_seconds
        wrong = np.array([truth.wrong(*one) for one in zip(frames, seconds, strict=True)], dtype=bool)
        if why:
            found["refused"] += 1
            marked = table.lost_seconds(table.start_seconds, table.end_seconds)[: len(frames)] > 0
            found["right"] += int((~wrong & ~marked).sum())
            found["marked"] += int(marked.sum())
            found["unmarked"] += int((wrong & ~marked).sum())
            found["unmarked files"] += bool((wrong & ~marked).any())
        else:
            found["silent" if wrong.any() else "harmless"] += 1
            found["silent frames"] += int(wrong.sum())
        if wrong.any() and SHOW:
            print(seed, "|", why, "|", table.damage, np.flatnonzero(wrong).tolist(), file=sys.stdout)
    return found


SHOW = False


def main() -> None:
    global SHOW
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="*", default=FILES)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--decoder", default="auto")
    parser.add_argument("--damage", nargs="+", default=list(DAMAGES))
    parser.add_argument("--show", action="store_true")
    arguments = parser.parse_args()
    SHOW = arguments.show
    watch = StderrWatch()
    columns = "files", "refused", "harmless", "silent", "silent frames", "right", "marked", "unmarked", "unmarked files"
    print("| file | damage | " + " | ".join(columns) + " |", flush=True)
    for file in arguments.files:
        codec, suffix = file.split(":")
        for kind in arguments.damage:
            with tempfile.TemporaryDirectory() as folder:
                found = measure(codec, suffix, kind, arguments.seeds, arguments.decoder, Path(folder), watch)
            print(f"| {file} | {kind} | " + " | ".join(str(found[column]) for column in columns) + " |", flush=True)


if __name__ == "__main__":
    try:
        main()
    except Exception:  # stderr is being listened to
        import traceback

        traceback.print_exc(file=sys.stdout)
        raise
