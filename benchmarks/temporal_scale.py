"""ActivityNet's size with made-up features: an epoch, localization of the test videos, and the memory of both.

    python benchmarks/temporal_scale.py                 # 10,000 videos to learn from, 5,000 to localize
    python benchmarks/temporal_scale.py --videos 1000   # a tenth of both
    python benchmarks/temporal_scale.py --videos 100 --localize 5000   # little training, all of the localization
    python benchmarks/temporal_scale.py --copies --tested 0            # 12 GB of features on the disk

Localization by itself is `thas localize` in a process of its own, whose memory holds nothing of the training.

200 classes, 300 snippets of 0.64 s a video, 2048 numbers a snippet, float16. Fifty videos are written (60 MB); the
others are the same bytes under names of their own, so each is opened and read as a file, but from the system's cache;
with --copies they are files of their own, 1.2 MB each, so that beyond the machine's memory they come from the disk.
Times are the processor's, one thread if OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from thas.core.log import Epoch, Event
from thas.core.resume import Begin
from thas.features.cache import Features, write_features
from thas.temporal_has.session import train_run
from thas.temporal_has.settings import Settings

KINDS, CLASSES, SNIPPETS, WIDTH, SECONDS = 50, 200, 300, 2048, 0.64


def make(folder: Path, videos: int, tested: int, more: int, *, copies: bool = False) -> None:
    """A data set in our layout: one or two labels a video, an action of each in its middle."""
    again = shutil.copyfile if copies else os.link
    draw = np.random.default_rng(0)
    start = SECONDS * np.arange(SNIPPETS)
    place = folder / "features"
    lines, database = ["video,label,subset"], {}
    classes = draw.normal(size=(CLASSES, WIDTH)).astype(np.float32)
    for i in range(videos + tested + more):
        video, kind = f"v{i:05d}", i % KINDS
        labels = sorted({kind * 4, kind * 4 + i // KINDS % 4})
        if i < KINDS:
            data = draw.normal(size=(SNIPPETS, WIDTH)).astype(np.float32)
            data[100:200] += classes[4 * i : 4 * i + 4].mean(axis=0)
            features = Features(video, data, start, start + SECONDS, SNIPPETS * SECONDS)
            write_features(place, features, recipe={"made": "up"}, dtype="float16")
        else:
            again(place / f"v{kind:05d}.h5", place / f"{video}.h5")
        subset = "training" if i < videos else "validation" if i < videos + tested else "more"
        lines += [f"{video},class {label},{subset}" for label in labels]
        database[video] = {
            "subset": subset,
            "duration": SNIPPETS * SECONDS,
            "annotations": [{"label": f"class {label}", "segment": [64.0, 128.0]} for label in labels],
        }
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    (folder / "annotations.json").write_text(json.dumps({"database": database}))


def peak_gigabytes() -> float:
    """Of this process so far."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)


def localized(run: Path, dataset: Path, out: Path) -> dict[str, object]:
    """What `thas localize` of the further videos takes."""
    command = ["localize", "--run", str(run), "--dataset", str(dataset), "--subset", "more", "--out", str(out)]
    subprocess.run([sys.executable, "-m", "thas", *command, "--device", "cpu"], check=True, stdout=subprocess.DEVNULL)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "alone_seconds": round(used.ru_utime + used.ru_stime, 1),
        "alone_peak_gigabytes": round(used.ru_maxrss / 1e6, 2),
        "alone_megabytes": {path.name: round(path.stat().st_size / 1e6, 1) for path in sorted(out.iterdir())},
    }


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=10_000)
    parser.add_argument("--localize", type=int, default=0, help="so many videos, in a process of their own")
    parser.add_argument("--tested", type=int, help="videos localized after training; half as many by default")
    parser.add_argument("--copies", action="store_true", help="no links, but files of their own")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="such as localize.classes=200")
    given = parser.parse_args()
    tested = given.videos // 2 if given.tested is None else given.tested
    changes = {"train.epochs": given.epochs, "train.device": "cpu"} | dict(one.split("=") for one in given.set)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "set"
        folder.mkdir()
        make(folder, given.videos, tested, given.localize, copies=given.copies)
        before, marks = peak_gigabytes(), []

        def told(event: Event) -> None:
            if isinstance(event, Epoch):
                marks.append((time.process_time(), peak_gigabytes()))

        began = time.process_time()
        result = train_run(
            str(folder),
            settings=Settings().updated(changes),
            begin=Begin(Path(scratch) / "runs"),
            on_event=told,
        )
        ended = time.process_time()
        times = np.diff([began, *(mark for mark, _ in marks)])
        files = {path.name: round(path.stat().st_size / 1e6, 1) for path in sorted(result.run.iterdir())}
        alone = localized(result.run, folder, Path(scratch) / "out") if given.localize else {}
    about = {
        "videos": given.videos,
        "features_gigabytes": round(given.videos * SNIPPETS * WIDTH * 2 / 1e9, 1),
        "first_epoch_seconds_with_reading_statistics": round(float(times[0]), 1),
        "epoch_seconds": round(float(times[-1]), 1),
        "training_peak_gigabytes": marks[-1][1],
        "before_gigabytes": before,
        "localized": tested,
        "localization_scoring_and_writing_seconds": round(ended - marks[-1][0], 1),
        "detections": result.found.detections if result.found else None,
        "mean_ap": result.found.standing.average if result.found and result.found.standing else None,
        "peak_gigabytes": peak_gigabytes(),
        "megabytes": files,
        **alone,
    }
    print(json.dumps(about, indent=1))


if __name__ == "__main__":
    main()
