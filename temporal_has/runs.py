"""Run folders: `runs/<dataset>/<time>/`, never overwritten, `runs/latest` pointing to the newest.

A run holds settings.toml (all settings, and the data set), environment.json, log.jsonl, checkpoint.safetensors and,
once localized, sequences.h5 and detections.json, to which evaluation adds scores.json.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._version import __version__
from ..dataset import Dataset, open_dataset
from ..errors import CheckpointError, DataError, UsageError, listing
from ..files import cannot_write, write_atomically
from ..segments import Segments
from ..settings import Settings, flatten, read_toml
from .activation import ClassActivationSequence

if TYPE_CHECKING:
    from ..eval.annotations import Annotations

DETECTIONS = "detections.json"
SEQUENCES = "sequences.h5"
SETTINGS = "settings.toml"


@dataclass(frozen=True)
class RunData:
    """The data set of a run, as its settings.toml keeps it.

    Attributes:
        dataset: The name or folder given to `--dataset`.
        data_root: The folder in which presets look for their data.
        features: The folder of the feature cache.
        train_subset: The subset trained on.
        test_subset: The subset localized and scored.
    """

    dataset: str
    data_root: str
    features: str
    train_subset: str
    test_subset: str

    def open(self) -> Dataset:
        """The data set, opened again."""
        return open_dataset(
            self.dataset, data_root=self.data_root, train_subset=self.train_subset, test_subset=self.test_subset
        )


def new_run(root: Path, name: str) -> Path:
    """Make an empty run folder and point `latest` to it."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for attempt in range(1, 1000):
        folder = root / name / (stamp if attempt == 1 else f"{stamp}-{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise cannot_write(folder, error) from error
        point_latest(root, folder)
        return folder
    raise DataError(f"no new run could be made in {root / name}", why="a thousand were begun within a second")


def point_latest(root: Path, folder: Path) -> None:
    """Let `<root>/latest` be a link to `folder`; where links cannot be made the newest folder is found by its time."""
    link, temporary = root / "latest", root / f".latest.{os.getpid()}"
    try:
        temporary.symlink_to(folder.resolve().relative_to(root.resolve()))
        os.replace(temporary, link)
    except OSError:
        temporary.unlink(missing_ok=True)


def find_run(folder: Path | None, *, root: Path = Path("runs"), dataset: str | None = None) -> Path:
    """The run meant: a folder, or the newest below `root`, of one data set if named.

    Raises:
        UsageError: There is none.
    """
    if folder is not None:
        if (folder / SETTINGS).exists():
            return folder.resolve()
        raise UsageError(
            f"{folder} is not a run",
            why=f"it has no {SETTINGS}" if folder.is_dir() else "there is no such folder",
            next="thas train makes one below runs/; runs/latest is the newest",
            subject=str(folder),
        )
    if dataset is None and (root / "latest" / SETTINGS).exists():
        return (root / "latest").resolve()
    found = sorted((path.parent for path in root.glob(f"{dataset or '*'}/*/{SETTINGS}")), key=lambda path: path.name)
    if not found:
        raise UsageError(
            f"there is no run in {root}" + (f" of data set {dataset}" if dataset else ""),
            why="nothing was trained here yet",
            next="thas train --dataset NAME, or name a run's folder",
        )
    return found[-1].resolve()


def write_settings(run: Path, settings: Settings, data: RunData, origins: Mapping[str, str]) -> None:
    """Write settings.toml and environment.json."""
    lines = ["[data]", *(f"{name} = {json.dumps(value)}" for name, value in vars(data).items()), ""]
    write_atomically(run / SETTINGS, "\n".join(lines) + "\n" + settings.to_toml(origins))
    write_atomically(run / "environment.json", json.dumps(environment(), indent=2) + "\n")


def read_settings(run: Path) -> tuple[Settings, RunData]:
    """The settings and the data set of a run.

    Raises:
        CheckpointError: settings.toml is of another form.
    """
    tables = read_toml(run / SETTINGS)
    try:
        data = RunData(**tables.pop("data"))
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"{run / SETTINGS} does not say what data the run is of", why=str(error), next="thas train makes a new run"
        ) from None
    return Settings().updated(flatten(tables), origin=str(run / SETTINGS)), data


def environment() -> dict[str, Any]:
    """Versions and the machine's make, so that a run can be repeated."""
    from importlib.metadata import PackageNotFoundError, version

    packages: dict[str, str | None] = {}
    for name in ("torch", "torchvision", "numpy", "scipy", "h5py", "av", "decord"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    return {
        "thas": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "packages": packages,
    }


def write_sequences(path: Path, sequences: Iterable[ClassActivationSequence]) -> None:
    """Write class activation sequences to one HDF5 file, a group a video, whole or not at all."""
    import h5py

    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with h5py.File(temporary, "w") as file:
            for sequence in sequences:
                group = file.create_group(sequence.video)
                for name in ("logits", "video_logits", "probabilities", "start_seconds", "end_seconds"):
                    group[name] = getattr(sequence, name)
                group.attrs["duration_seconds"] = sequence.duration_seconds
                group.attrs["classes"] = list(sequence.classes)
        os.replace(temporary, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def read_sequences(path: Path) -> dict[str, ClassActivationSequence]:
    """Read what `write_sequences` wrote, by video."""
    import h5py

    try:
        with h5py.File(path) as file:
            return {video: _sequence(video, group) for video, group in file.items()}
    except OSError as error:
        raise DataError(
            f"{path} holds no sequences",
            why=str(error).splitlines()[0],
            next="thas localize writes them",
            subject=str(path),
        ) from None


def _sequence(video: str, group: Any) -> ClassActivationSequence:
    arrays = {name: np.asarray(group[name]) for name in group}
    return ClassActivationSequence(
        video=video,
        duration_seconds=float(group.attrs["duration_seconds"]),
        classes=tuple(str(name) for name in group.attrs["classes"]),
        **arrays,
    )


def write_detections(path: Path, detections: Segments, facts: Mapping[str, Any]) -> None:
    """Write detections as ActivityNet's JSON, with what they are of under `thas`."""
    content = {
        "version": f"thas {__version__}",
        "results": detections.sorted_by_score().to_activitynet(),
        "external_data": {},
        "thas": dict(facts),
    }
    write_atomically(path, json.dumps(content, indent=1) + "\n")


def read_detections(path: Path) -> tuple[Segments, dict[str, Any]]:
    """The detections of a run, and the facts beside them."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Segments.from_activitynet(content["results"], scored=True), content.get("thas", {})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} holds no detections", why=str(error), next="thas localize writes them") from None


def prepare_evaluation(folder: Path | None) -> tuple[Segments, Annotations, str]:
    """What `thas eval` needs of a run: its detections, the truth of its test videos, and a line about both.

    A run that was not localized yet is localized first.
    """
    run = find_run(folder)
    settings, data = read_settings(run)
    dataset = data.open()
    truth = dataset.annotations(data.test_subset)
    if not (run / DETECTIONS).exists():
        from .session import localize_dataset, write_result

        write_result(run, localize_dataset(run, settings=settings.localize))
    detections, facts = read_detections(run / DETECTIONS)
    missing = [video for video in truth.videos if video not in set(facts.get("videos", truth.videos))]
    absent = f"; {len(missing)} of them had no features and count as missed: {listing(missing, 3)}" if missing else ""
    labels = facts.get("labels", settings.localize.labels)
    return (
        detections,
        truth,
        f"{dataset.name} {data.test_subset}, {len(truth.videos)} videos{absent}; labels {labels}; run {run}",
    )
