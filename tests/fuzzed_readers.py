"""Readers of videos' features, labels, segments and runs from elsewhere, called as their commands call them.

With those of `fuzzed_others` they are used by tests/test_fuzz_readers.py for some seconds and by
benchmarks/fuzz_readers.py for as long as one likes. Each reader gets a folder with the sound files it needs; one is
changed (see `fuzz_changes`); all that it may raise is a ThasError.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np


@dataclass(frozen=True)
class Reader:
    """A reader.

    Attributes:
        file: Name of the file that is changed, in a folder of its own.
        make: Writes a sound one, and what must lie beside it.
        read: Reads it; what it returns must be finite.
        kind: Of its form, as `fuzz_changes.CHANGES` calls it; empty for any bytes.
    """

    file: str
    make: Callable[[Path], object]
    read: Callable[[Path], Any]
    kind: str = ""


def _text(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content)


SEGMENTS = {"v": [{"label": "Run", "segment": [1.0, 2.5]}]}
DETECTIONS = {"results": {"v": [{"label": "Run", "segment": [1.0, 2.5], "score": 0.5}]}, "thas": {"videos": ["v"]}}
DATABASE = {"database": {"v": {"subset": "test", "duration": 9.0, "annotations": SEGMENTS["v"]}}}
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


def _npy(path: Path) -> None:
    np.save(path, ROWS)


def _objects(path: Path) -> None:
    array = np.empty(2, dtype=object)
    array[:] = [ROWS, ROWS[:2]]
    np.save(path, array, allow_pickle=True)


def _names(path: Path) -> None:
    names = np.empty(2, dtype=object)
    names[:] = [b"a", b"b"]
    np.save(path, names, allow_pickle=True)
    _objects(path.with_name("I3DFeatures.npy"))


def _torch(path: Path) -> None:
    import torch

    torch.save({"features": torch.from_numpy(ROWS).bfloat16(), "names": ["a"]}, path)


def _torch_weights(path: Path) -> None:
    import torch

    torch.save({"conv.weight": torch.from_numpy(ROWS)}, path)


def _hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("group/features", data=ROWS, compression="gzip", chunks=(2, 3))


def _matlab(path: Path) -> None:
    import scipy.io

    scipy.io.savemat(path, {"feat": ROWS}, do_compression=True)


def _matlab_4(path: Path) -> None:
    import scipy.io

    scipy.io.savemat(path, {"feat": ROWS}, format="4")


def _import(path: Path) -> Any:
    from .feature_imports import read_array

    return read_array(path)


def _load_objects(path: Path) -> Any:
    from thas.features.pickled_arrays import load_array

    return len(load_array(path).reshape(-1))


def _sources(path: Path) -> Any:
    from thas.features.importing import find_sources

    return [one.video for one in find_sources(path.parent)]


def _cache(path: Path) -> None:
    from thas.features.cache import write_features

    from .conftest import make_features

    write_features(
        path.parent, make_features("v", ROWS), recipe={"layer": "fc7", "mean": [1.0, 2.0]}, source={"frames": 64}
    )


def _read_cache(path: Path) -> Any:
    from thas.features.cache import FeatureCache
    from thas.features.cache_tools import verify_cache

    verify_cache(path.parent)
    return FeatureCache(path.parent)["v"].data


def _sequences(path: Path) -> None:
    from thas.temporal_has.activation import ClassActivationSequence
    from thas.temporal_has.results import write_sequences

    times = np.arange(4.0)
    one = ClassActivationSequence("v", ROWS[:, :2], ROWS[0, :2], ROWS[0, :2], times, times + 1, 4.0, ("a", "b"))
    write_sequences(path, [one])


def _read_sequences(path: Path) -> Any:
    from thas.temporal_has.results import read_sequences

    return [one.logits for one in read_sequences(path).values()]


def _read_annotations(path: Path) -> Any:
    from thas.annotators.annotation_files import read_annotations

    return read_annotations(path).segments.start_seconds


def _read_detections(path: Path) -> Any:
    from thas.eval.detections import read_detections

    return read_detections(path).score


def _run_detections(path: Path) -> Any:
    from thas.temporal_has.results import read_detections

    return read_detections(path)[0].score


def _labels(path: Path) -> Any:
    from thas.datasets.labels import read_labels

    return list(read_labels(path)[0])


def _log(path: Path) -> Any:
    from thas.core.log import best_epoch, convergence, read_log

    log = read_log(path)
    best_epoch(log), convergence(log)
    return [epoch["loss"] for epoch in log]


def _toml(path: Path) -> Any:
    from thas.core.presets import config_layer
    from thas.sweep.plan import read_experiment

    for read in (lambda path: config_layer(path, "temporal"), read_experiment):
        try:
            read(path)
        except Exception as error:
            from thas.core.errors import ThasError

            if not isinstance(error, ThasError):
                raise
    return 0


def _checkpoint(path: Path) -> None:
    import torch

    from thas.core.checkpoints import CHECKSUM, read_header
    from thas.temporal_has.heads import build_head
    from thas.temporal_has.model import Model
    from thas.temporal_has.settings import Settings

    small = {"channels": 2, "layers": 1, "kernel_size": 1, "smoothing": 1}
    settings = Settings().updated({f"network.{name}": value for name, value in small.items()})
    network = build_head(3, 2, settings.network)
    model = Model(network, torch.zeros(3), torch.ones(3), ("a", "b"), settings, {"backbone": "c3d"}, 1.0)
    path.write_bytes(model.to_bytes({"optimiser.0.step": torch.ones(1)}, {"epoch": 1}))
    _without_checksum(path, read_header(path), CHECKSUM)


def _without_checksum(path: Path, description: dict[str, Any], checksum: str) -> None:
    """As an older version wrote it: else every change would end at the checksum."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    del description[checksum]
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"]["thas"] = json.dumps(description)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])


def _read_checkpoint(path: Path) -> Any:
    from thas.core.checkpoints import unpacked
    from thas.core.errors import ThasError
    from thas.temporal_has.model import load_model

    with suppress(ThasError):
        unpacked(path)
    model, extra, _ = load_model(path)
    tensors = {**model.network.state_dict(), **extra}
    return [model.spread, *(tensor.double().numpy() for tensor in tensors.values())]


def _weights(path: Path) -> Any:
    from thas.features.checkpoints import read_checkpoint

    return [tensor.float().numpy() for tensor in read_checkpoint(path)[0].values()]


def _synsets(path: Path) -> Any:
    from thas.image_has.ilsvrc import read_synsets

    return list(read_synsets(path))


def _solution(path: Path) -> Any:
    from thas.image_has.ilsvrc import _read_solution

    _read_solution(path)  # boxes that are not finite are left out, and named, by `clean_boxes`
    return 0


def _wsol(path: Path) -> None:
    for name, text in {
        "image_ids.txt": "a.jpg\nb.jpg\n",
        "class_labels.txt": "a.jpg,0\nb.jpg,1\n",
        "localization.txt": "a.jpg,0,0,5,5\n",
        "image_sizes.txt": "a.jpg,10,10\n",
    }.items():
        (path.parent / name).write_text(text)


def _read_wsol(path: Path) -> Any:
    from thas.image_has.wsol_lists import read_wsol_lists

    return list(read_wsol_lists(path.parent, images=path.parent).boxes.values())


READERS: dict[str, Reader] = {
    "import_npy": Reader("v.npy", _npy, _import),
    "import_objects": Reader("v.npy", _objects, _load_objects),
    "import_npz": Reader("v.npz", lambda path: np.savez_compressed(path, features=ROWS), _import, "zip"),
    "import_pt": Reader("v.pt", _torch, _import, "zip"),
    "import_pkl": Reader(
        "v.pkl", lambda path: path.write_bytes(pickle.dumps({"feat": ROWS, "rows": [[1.0]]})), _import
    ),
    "import_h5": Reader("v.h5", _hdf5, _import, "hdf5"),
    "import_mat": Reader("v.mat", _matlab, _import),
    "import_mat_4": Reader("v.mat", _matlab_4, _import),
    "import_csv": Reader("v.csv", _text("f0,f1\n1.0,2.0\n3.0,4.5\n"), _import, "text"),
    "wtalc_names": Reader("videoname.npy", _names, _sources),
    "features": Reader("v.h5", _cache, _read_cache, "hdf5"),
    "sequences": Reader("sequences.h5", _sequences, _read_sequences, "hdf5"),
    "annotations_json": Reader("a.json", _text(json.dumps(DATABASE)), _read_annotations, "json"),
    "annotations_csv": Reader("a.csv", _text("video,label,start,end\nv,Run,1.0,2.5\n"), _read_annotations, "text"),
    "detections_json": Reader("d.json", _text(json.dumps(DETECTIONS)), _read_detections, "json"),
    "detections_csv": Reader(
        "d.csv", _text("video,label,start,end,score\nv,Run,1.0,2.5,0.5\n"), _read_detections, "text"
    ),
    "detections_txt": Reader("d.txt", _text("v 1.0 2.5 21 0.5\nv 3.0 4.0 26 0.25\n"), _read_detections, "text"),
    "run_detections": Reader("detections.json", _text(json.dumps(DETECTIONS)), _run_detections, "json"),
    "labels": Reader("labels.csv", _text("video,label,subset\na,Run,training\nb,Jump,test\n"), _labels, "text"),
    "log": Reader(
        "log.jsonl", _text('{"number": 1, "loss": 2.5, "accuracy": 0.5, "seconds": 1.0}\n' * 3), _log, "json"
    ),
    "toml": Reader(
        "x.toml", _text('half = "image"\nseeds = 3\n[arms.A]\nhide.size = [8, 1.5]\n[hide]\nsize = 4\n'), _toml, "text"
    ),
    "checkpoint": Reader("c.safetensors", _checkpoint, _read_checkpoint, "safetensors"),
    "weights_safetensors": Reader("w.safetensors", _checkpoint, _weights, "safetensors"),
    "weights_pth": Reader("w.pth", _torch_weights, _weights, "zip"),
    "synsets": Reader(
        "LOC_synset_mapping.txt", _text("n01440764 tench, Tinca\nn01443537 goldfish\n"), _synsets, "text"
    ),
    "solution": Reader(
        "LOC_val_solution.csv", _text("ImageId,PredictionString\na,n01440764 1 2 3 4\n"), _solution, "text"
    ),
    "wsol_labels": Reader("class_labels.txt", _wsol, _read_wsol, "text"),
    "wsol_boxes": Reader("localization.txt", _wsol, _read_wsol, "text"),
}
