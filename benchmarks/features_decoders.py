"""The decoders compared: frames a second of one core, and what becomes of each file of a folder.

    python benchmarks/features_decoders.py speed FILE...
    python benchmarks/features_decoders.py files FOLDER...

`speed` decodes every frame of each file in this process (seconds of processor time). `files` says for each file and
decoder how many frames come out, or why none, and how many differ from PyAV's.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from thas.core.errors import ThasError
from thas.features.decode import decode_frames
from thas.features.extraction_job import refuse_damaged
from thas.features.video import scan_video

DECODERS = ("auto", "pyav", "decord", "torchcodec")


def speed(files: list[str]) -> None:
    print("| file | frames | " + " | ".join(f"{decoder} (frames/s)" for decoder in DECODERS[1:]) + " | scan (ms) |")
    for file in files:
        begin = time.process_time()
        table = scan_video(file)
        cells, scan = [], time.process_time() - begin
        for decoder in DECODERS[1:]:
            try:
                next(iter(decode_frames(file, table, [0], decoder=decoder)))  # libraries are loaded
                begin = time.process_time()
                count = sum(1 for _ in decode_frames(file, table, np.arange(len(table)), decoder=decoder))
                cells.append(f"{count / (time.process_time() - begin):.0f}")
            except ThasError as error:
                cells.append(error.why[:60])
        print(f"| {Path(file).name} | {len(table)} | {' | '.join(cells)} | {1000 * scan:.1f} |", flush=True)


def files(folders: list[str]) -> None:
    paths = sorted(path for folder in folders for path in Path(folder).iterdir() if path.suffix != ".py")
    refused = dict.fromkeys(DECODERS, 0)
    for path in paths:
        cells, truth = [], None
        for decoder in ("pyav", "auto", "decord", "torchcodec"):
            try:
                table = scan_video(path)
                refuse_damaged(path.name, table)
                pictures = decode_frames(path, table, np.arange(len(table)), decoder=decoder)
                frames = [hash(picture.tobytes()) for picture in pictures]
                truth = truth or frames
                differ = sum(a != b for a, b in zip(frames, truth, strict=False))
                said = f", {differ} differ" if differ else ""
                cells.append(f"{len(frames)}, {table.duration_seconds:.3f} s{said}")
            except ThasError as error:
                refused[decoder] += 1
                cells.append(f"refused: {error.why[:90]}")
        print(f"| {path.name} | {' | '.join(cells)} |", flush=True)
    print(f"refused of {len(paths)}: {refused}")


if __name__ == "__main__":
    {"speed": speed, "files": files}[sys.argv[1]](sys.argv[2:])
