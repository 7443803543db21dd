"""The data set of `thas demo`: generated video files, labelled and annotated as THUMOS14 is.

Each action has a short phase that gives it away, no longer than one of the twenty segments that hiding divides a video
into, between two longer phases that are weaker signs of it: fainter to see, and not proof, for bystanders do the same
in videos of other classes. All three are part of the annotated interval. What is never annotated: the bystanders, and
things that no class owns, some of them as large and fast as the telling phase.

Everything is drawn from the seed, each video by itself: more videos leave the others as they are. The pictures drawn
are equal to the bit; the encoder may differ in a few of them by a shade.
"""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from ..core.errors import DataError
from ..core.files import write_atomically, writing
from ..core.messages import Progress, silent
from ..core.processes import cores
from ..core.tables import csv_text
from ..core.temporary_names import replacing
from .frames import APPROACH, CLASSES, RETREAT, SIZE, STRANGE, TELLING, Event, render

FPS = 12
# Raised whenever the same seed gives other videos.
VERSION = 1
_STAMP = "generator.json"
# Subset, its name in THUMOS14's file names, its number in the random seed.
_SUBSETS = (("validation", "val", 0), ("test", "test", 1))

_APPROACH_SECONDS = (3.0, 5.0)
_TELLING_SECONDS = (0.6, 0.8)
_RETREAT_SECONDS = (3.0, 5.0)
_BACKGROUND_SECONDS = (13.0, 24.0)
_INSTANCES = (0.7, 0.22, 0.08)  # chances of one, two and three
_TWO_CLASSES = 0.3
_BYSTANDERS_A_SECOND = 1 / 20
_STRANGERS_A_SECOND = 1 / 15


@dataclass(frozen=True)
class Instance:
    """An action in a video: approach to `telling_seconds`, telling phase to `retreat_seconds`, retreat to the end."""

    label: str
    start_seconds: float
    telling_seconds: float
    retreat_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class Script:
    """What happens in a video.

    Its subset is "validation", to learn from, or "test"; events are in the order in which they are painted.
    """

    video: str
    subset: str
    frames: int
    instances: tuple[Instance, ...]
    events: tuple[Event, ...]
    seed: tuple[int, ...]

    @property
    def duration_seconds(self) -> float:
        """Its length in seconds."""
        return self.frames / FPS

    @property
    def labels(self) -> tuple[str, ...]:
        """Its video-level labels."""
        return tuple(sorted({instance.label for instance in self.instances}))


def write_script(subset: str, number: int, *, seed: int = 0) -> Script:
    """Draw what happens in one video; each class is the first label of every eighth.

    >>> script = write_script("test", 0)
    >>> script.video, script.duration_seconds >= 20, len(script.labels) in (1, 2)
    ('video_test_0000001', True, True)
    """
    _, _, code = next(known for known in _SUBSETS if known[0] == subset)
    draw = np.random.default_rng([VERSION, seed, code, number])
    labels = [CLASSES[number % len(CLASSES)]]
    if draw.random() < _TWO_CLASSES:
        labels.append(str(draw.choice([label for label in CLASSES if label not in labels])))
    count = max(len(labels), 1 + int(draw.choice(len(_INSTANCES), p=_INSTANCES)))
    acted = labels + [labels[int(draw.integers(len(labels)))] for _ in range(count - len(labels))]
    acted = [acted[i] for i in draw.permutation(count)]
    phases = [[draw.uniform(*span) for span in (_APPROACH_SECONDS, _TELLING_SECONDS, _RETREAT_SECONDS)] for _ in acted]
    background = max(draw.uniform(*_BACKGROUND_SECONDS), 20.0 - sum(map(sum, phases)))
    # At least a second before, between and after.
    gaps = 1 + draw.dirichlet(np.ones(count + 1)) * (background - count - 1)
    now, instances = 0.0, []
    for label, (approach, telling, retreat), gap in zip(acted, phases, gaps, strict=False):
        start = round((now + gap) * FPS) / FPS
        now = round((start + approach + telling + retreat) * FPS) / FPS
        instances.append(Instance(label, start, start + approach, start + approach + telling, now))
    frames = int(np.ceil((now + gaps[-1]) * FPS))
    events = (*_strangers(frames / FPS, labels, draw), *(event for one in instances for event in _phases(one)))
    name = f"video_{subset}_{number + 1:07d}"
    return Script(name, subset, frames, tuple(instances), events, (VERSION, seed, code, number, 1))


def _phases(instance: Instance) -> tuple[Event, Event, Event]:
    label = instance.label
    return (
        Event(APPROACH[label], instance.start_seconds, instance.telling_seconds, close=False),
        Event(TELLING[label], instance.telling_seconds, instance.retreat_seconds, close=True),
        Event(RETREAT[label], instance.retreat_seconds, instance.end_seconds, close=False),
    )


def _strangers(duration: float, labels: list[str], draw: np.random.Generator) -> list[Event]:
    """What no annotation mentions: bystanders with the weaker phases of other classes, and things of no class."""
    events = []
    others = [label for label in CLASSES if label not in labels]
    for _ in range(draw.poisson(_BYSTANDERS_A_SECOND * duration)):
        look = (APPROACH, RETREAT)[int(draw.integers(2))][others[int(draw.integers(len(others)))]]
        length = draw.uniform(1.5, 4)
        start = draw.uniform(0, duration - length)
        events.append(Event(look, start, start + length, close=False))
    for _ in range(draw.poisson(_STRANGERS_A_SECOND * duration)):
        length = draw.uniform(1, 4)
        start = draw.uniform(0, duration - length)
        look = STRANGE[int(draw.integers(len(STRANGE)))]
        events.append(Event(look, start, start + length, close=bool(draw.random() < 0.4)))
    return events


def generate(
    folder: Path | str,
    *,
    train_videos: int = 120,
    test_videos: int = 60,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress = silent,
) -> list[Script]:
    """Write the data set; what is there already stays, so an interrupted call is finished by the next.

    The folder gets `videos/`, `annotations/` and, at last, `labels.csv`.

    Raises:
        DataError: The folder cannot be written, or holds videos of another seed or version.
    """
    folder = Path(folder)
    _claim(folder, seed)
    scripts = [
        write_script(subset, number, seed=seed)
        for (subset, _, _), count in zip(_SUBSETS, (train_videos, test_videos), strict=True)
        for number in range(count)
    ]
    videos = folder / "videos"
    todo = []
    for script in scripts:
        if (videos / f"{script.video}.mp4").exists():
            progress(1)
        else:
            todo.append(script)
    if todo:
        workers = min(workers or cores(), len(todo))
        # Spawned: a fork of a process that has threads, as torch has, may hang.
        pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
        try:
            for job in as_completed([pool.submit(_write_video, script, videos) for script in todo]):
                job.result()
                progress(1)
        finally:
            pool.shutdown(cancel_futures=True)
    _write_tables(folder, scripts)
    return scripts


def _claim(folder: Path, seed: int) -> None:
    """Make the folder, or make sure that it is ours and of this seed."""
    stamp = json.dumps({"generator": "thas demo", "version": VERSION, "seed": seed}) + "\n"
    path = folder / _STAMP
    if path.exists() and path.read_text() != stamp:
        raise DataError(
            f"{folder} holds other demo videos",
            why=f"they were made by {path.read_text().strip()}, not by {stamp.strip()}",
            next=f"remove {folder}, or name another place",
            subject=str(folder),
        )
    if not path.exists() and (folder / "videos").exists():
        raise DataError(
            f"{folder} is in use by another data set",
            why=f"it has videos and no {_STAMP}",
            next=f"rename {folder}, or name another place",
            subject=str(folder),
        )
    if not path.exists():
        write_atomically(path, stamp)
    with writing(folder):
        (folder / "videos").mkdir(exist_ok=True)


def _write_video(script: Script, folder: Path) -> None:
    """Encode one video under a temporary name, then rename it."""
    import av

    path = folder / f"{script.video}.mp4"
    with replacing(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        # Without B-frames the first frame is shown at 0 and the file needs no edit list. Even with one thread x264
        # turned out to write a few files in a hundred a little otherwise, from pictures equal to the bit.
        options = {"preset": "veryfast", "crf": "23", "bf": "0", "g": str(4 * FPS), "threads": "1"}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width = stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        draw = np.random.default_rng(script.seed)
        for picture in render(script.events, script.frames, FPS, draw):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def _write_tables(folder: Path, scripts: list[Script]) -> None:
    """Annotations in THUMOS14's form, durations, and last the labels: with them the data set is complete."""
    for subset, short, _ in _SUBSETS:
        mine = [script for script in scripts if script.subset == subset]
        for label in CLASSES:
            rows = [
                f"{script.video}  {one.start_seconds:.2f} {one.end_seconds:.2f}\n"
                for script in mine
                for one in script.instances
                if one.label == label
            ]
            write_atomically(folder / "annotations" / f"{label}_{short}.txt", "".join(rows))
        durations = [[script.video, f"{script.duration_seconds:.3f}"] for script in mine]
        table = csv_text([["video", "duration_seconds"], *durations])
        write_atomically(folder / "annotations" / f"durations_{subset}.csv", table)
    labels = [[script.video, label, script.subset] for script in scripts for label in script.labels]
    write_atomically(folder / "labels.csv", csv_text([["video", "label", "subset"], *labels]))
