"""Readers of settings, weights, images, spreadsheets, videos, and of what runs and sweeps leave: `fuzzed_readers`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .fuzzed_readers import DETECTIONS, ROWS, Reader, _text, _without_checksum, _wsol


def _images(folder: Path) -> Any:
    """A data set of two images, as the readers of boxes and maps want it."""
    import PIL.Image

    from thas.image_has.images import ImageTable

    for name in ("a.png", "b.png"):
        PIL.Image.new("RGB", (16, 12)).save(folder / name)
    return ImageTable(folder, ("a.png", "b.png"), np.array([0, 1]), ("cat", "dog"))


def _with_images(content: str | None = None) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        _images(path.parent)
        if content is None:
            np.save(path, np.arange(12.0).reshape(3, 4))
        else:
            path.write_text(content)

    return make


def _table(folder: Path) -> Any:
    from thas.image_has.images import ImageTable

    return ImageTable(folder, ("a.png", "b.png"), np.array([0, 1]), ("cat", "dog"))


def _read_boxes(path: Path) -> Any:
    from thas.image_has.box_files import read_boxes

    found = read_boxes(path, _table(path.parent))
    return [found.probabilities, found.predicted_boxes, found.known_boxes]


def _read_maps(path: Path) -> Any:
    from thas.image_has.box_files import read_maps
    from thas.image_has.settings import LocalizeSettings

    return read_maps(path.parent, _table(path.parent), settings=LocalizeSettings()).known_boxes


def _true_boxes(path: Path) -> Any:
    from thas.image_has.folder import read_boxes
    from thas.image_has.images import clean_boxes

    return list(clean_boxes(read_boxes(path, {"a.png": "cat", "b.png": "dog"})[0], {})[0].values())


def _photographs(path: Path) -> Any:
    from thas.image_has.photographs import other_photographs

    return len(other_photographs(path, []))


def _xml(path: Path) -> Any:
    from thas.image_has.ilsvrc import read_annotation
    from thas.image_has.images import clean_boxes

    return list(clean_boxes({"a": [box for _, box in read_annotation(path)[0]]}, {})[0].values())


def _read_wsol(path: Path) -> Any:
    from thas.image_has.datasets import open_images

    lists = path.parent
    for name in ("a.jpg", "b.jpg"):
        (lists.parent / name).touch()
    return [list(table.boxes.values()) for table in open_images(str(lists.parent)).tables.values()]


def _picture(path: Path) -> None:
    import PIL.Image

    draw = np.random.default_rng(0)
    PIL.Image.fromarray(draw.integers(0, 255, (12, 16, 3), np.uint8)).save(path)


def _read_picture(path: Path) -> Any:
    from thas.image_has.decode import image_size, read_image

    image_size(path)
    return np.asarray(read_image(path))


def _frames(path: Path) -> None:
    for i in (1, 2, 3):
        _picture(path.with_name(f"img_0000{i}.png"))


def _read_frames(path: Path) -> Any:
    from thas.features.frame_folder import folder_frames, scan_folder

    table = scan_folder(path.parent, fps=10)
    return [table.start_seconds, *folder_frames(path.parent, np.arange(len(table.start_seconds)))]


def _video(path: Path) -> None:
    from .video_files import write_video

    write_video(path, 6, size=(16, 40), options={"preset": "ultrafast"} if path.suffix in {".mp4", ".mkv"} else None)


def _read_video(path: Path) -> Any:
    from thas.core.errors import ThasError
    from thas.datasets.check import read_duration
    from thas.features.video import scan_video
    from thas.features.video_files import find_videos

    find_videos(path.parent)
    try:
        length = read_duration(path)
    except ThasError:
        length = 0.0
    table = scan_video(path)
    return [length, table.start_seconds, table.end_seconds]


def _image_weights(path: Path) -> None:
    from thas.core.checkpoints import CHECKSUM, read_header
    from thas.image_has.settings import ImageSettings
    from thas.image_has.weights import fresh_network, save_weights

    settings = ImageSettings().updated({"network.name": "small", "network.width": 0.1, "input.size": 16})
    network = fresh_network(settings.network, classes=2, seed=0)
    save_weights(path, network, classes=("cat", "dog"), settings=settings, titles={"cat": "a cat"})
    _without_checksum(path, read_header(path), CHECKSUM)


def _read_image_weights(path: Path) -> Any:
    from thas.image_has.weights import load_weights

    return [tensor.double().numpy() for tensor in load_weights(path).network.state_dict().values()]


def _read_image_tensors(path: Path) -> Any:
    from thas.image_has.weights import read_tensors

    return len(read_tensors(path))


def _torch_weights(path: Path) -> None:
    import torch

    torch.save({"state_dict": {"conv.weight": torch.from_numpy(ROWS), "n": torch.ones(2).half()}}, path)


def _backbone(path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from thas.features import C3D
    from thas.features.preprocessing import square

    network = C3D(width=1, input_size=16, depth=2, fc_width=4, classes=0, generator=torch.Generator().manual_seed(0))
    about = {"backbone": "c3d", "architecture": network.architecture, "preprocessing": square(16).to_dict()}
    save_file(network.state_dict(), str(path), metadata={"thas": json.dumps(about)})


def _read_backbone(path: Path) -> Any:
    from thas.features.weights import load_backbone

    return [tensor.double().numpy() for tensor in load_backbone("c3d", weights=path).network.state_dict().values()]


def _plain_pickle(path: Path) -> None:
    import pickle

    path.write_bytes(pickle.dumps({"a": {"kernel": ROWS, "bias": ROWS[0]}}, protocol=4))


def _weights(path: Path) -> Any:
    from thas.features.checkpoints import read_checkpoint

    return len(read_checkpoint(path)[0])


def _read_cube(path: Path) -> Any:
    from thas.features.backbones import get_backbone
    from thas.features.weights import _cube

    return _cube(path, get_backbone("c3d"))


def _cube_file(path: Path) -> None:
    np.save(path, np.zeros((3, 16, 128, 171), np.uint8))


def _settings(path: Path) -> None:
    from thas.temporal_has.settings import Settings

    data = '[data]\ndataset = "/d"\ndata_root = "data"\ntrain_subset = "training"\ntest_subset = "test"\n'
    path.write_text(f'kind = "temporal"\n\n{data}run_folder = "/runs/1"\n\n{Settings().to_toml()}')


def _run_settings(path: Path) -> Any:
    from thas.core.run_settings import read_settings
    from thas.core.runs import is_finished, kind_of, resume_command
    from thas.temporal_has.settings import Settings

    kind_of(path.parent), is_finished(path.parent), resume_command(path.parent, "temporal")
    settings, _ = read_settings(path.parent, Settings)
    return list(settings.flat().values())


def _image_settings(path: Path) -> None:
    from thas.image_has.settings import ImageSettings

    path.write_text(ImageSettings().to_toml())


def _image_config(path: Path) -> Any:
    from thas.core.presets import resolve_settings
    from thas.image_has.settings import ImageSettings

    settings = resolve_settings(ImageSettings, config=path)[0]
    again = path.with_name("again.toml")
    again.write_text(settings.to_toml())
    assert resolve_settings(ImageSettings, config=again)[0] == settings
    return list(settings.flat().values())


def _experiment(path: Path) -> Any:
    from thas.sweep.plan import read_experiment

    return read_experiment(path).seeds


def _measured(path: Path) -> None:
    from thas.sweep.half import Outcome

    Outcome(np.array([0.5, 0.25]), np.array([[0.5, np.nan]]), {"videos": 2}).save(path)


def _read_measured(path: Path) -> Any:
    from thas.sweep.half import Outcome

    found = Outcome.load(path)
    return 0 if found is None else found.values


def _book(path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["video", "label", "subset"], ["a", "Run", "training"], ["b", 3, None]):
        sheet.append(row)
    sheet.merge_cells("C2:C3")
    book.save(path)


def _labels(path: Path) -> Any:
    from thas.datasets.labels import read_labels

    return list(read_labels(path)[0])


def _thumos(path: Path) -> Any:
    from thas.annotators.annotation_files import read_annotations

    found = read_annotations(path.parent)
    return [found.segments.start_seconds, found.segments.end_seconds, list(found.durations.values())]


def _thumos_folder(path: Path) -> None:
    folder = path.parent
    (folder / "Run_val.txt").write_text("v 1.0 2.5\nw 3 4\n")
    (folder / "detclasslist.txt").write_text("7 Run\n9 Jump\n")
    (folder / "durations_val.csv").write_text("video,duration_seconds\nv,9.5\nw,8\n")


def _video_list(path: Path) -> Any:
    from thas.core.segments import Segments
    from thas.eval.annotations import Annotations
    from thas.eval.assessment import read_video_list

    return len(read_video_list(str(path), Annotations(Segments(["v"], ["a"], [0.0], [1.0]), ("a",))))


def _rates(path: Path) -> Any:
    from thas.features.importing import read_rates

    rates = read_rates(str(path))
    return list(rates.values()) if isinstance(rates, dict) else rates


def _earlier(path: Path) -> Any:
    from thas.temporal_has.video_results import find_result

    return find_result(path.parent, "v", {"source": "x"}) is None


def _page(path: Path) -> Any:
    from thas.report.content import read_moments

    found = read_moments(path)
    return [found.actions.start_seconds, list(found.seconds.values())]


def _card(path: Path) -> Any:
    from thas.features.library_backbone import licence_of

    return len(licence_of(path.parent))


def _index(path: Path) -> Any:
    from thas.core.package_index import links

    try:
        return len(links(path.read_bytes(), "application/vnd.pypi.simple.v1+json"))
    except LookupError:  # told with the answers of the other indices
        return 0


BOXES = "image,label,x0,y0,x1,y1,score\na.png,cat,1,2,8,9,0.5\nb.png,dog,0,0,5,5.5,0.25\n"
FOUND = {"images": [{"image": "a.png", "boxes": [{"label": "cat", "score": 0.5, "box": [1, 2, 8, 9]}]}]}
XML = (
    "<annotation><size><width>16</width><height>12</height></size><object><name>n01440764</name>"
    "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>8</xmax><ymax>9</ymax></bndbox></object></annotation>"
)
EXPERIMENT = (
    'title = "x"\nhalf = "temporal"\nseeds = 2\npreset = "has"\n[settings]\ntrain.epochs = 3\n[arms.A]\npreset = '
    '"has2017"\nhide.probability = 0.5\n[arms.B]\nensemble = ["A"]\n[grid]\ntrain.seed = [1, 2]\n'
)
RATES = {"database": {"v": {"fps": 25.0, "annotations": []}, "w": {"fps": 30, "annotations": []}}}
LINKS = {"files": [{"filename": "a-1.whl", "url": "../a-1.whl"}]}

OTHERS: dict[str, Reader] = {
    "labels_xlsx": Reader("labels.xlsx", _book, _labels, "zip"),
    "class_file": Reader("Run_val.txt", _thumos_folder, _thumos, "text"),
    "class_list": Reader("detclasslist.txt", _thumos_folder, _thumos, "text"),
    "durations": Reader("durations_val.csv", _thumos_folder, _thumos, "text"),
    "video_list": Reader("list.txt", _text("v\nw\n"), _video_list, "text"),
    "rates_json": Reader("a.json", _text(json.dumps(RATES)), _rates, "json"),
    "rates_csv": Reader("fps.csv", _text("video,fps\nv,25\nw,29.97\n"), _rates, "text"),
    "moments": Reader("d.json", _text(json.dumps(DETECTIONS)), _page, "json"),
    "earlier_result": Reader("v.json", _text(json.dumps(DETECTIONS)), _earlier, "json"),
    "run_settings": Reader("settings.toml", _settings, _run_settings, "text"),
    "image_config": Reader("c.toml", _image_settings, _image_config, "text"),
    "experiment": Reader("e.toml", _text(EXPERIMENT), _experiment, "text"),
    "measured": Reader("m.npz", _measured, _read_measured, "zip"),
    "image_weights": Reader("w.safetensors", _image_weights, _read_image_weights, "safetensors"),
    "weights_image_pth": Reader("w.pth", _torch_weights, _read_image_tensors, "zip"),
    "backbone": Reader("b.safetensors", _backbone, _read_backbone, "safetensors"),
    "weights_pickle": Reader("w.ckpt", _plain_pickle, _weights),
    "mean_cube": Reader("cube.npy", _cube_file, _read_cube),
    "boxes_csv": Reader("boxes.csv", _text(BOXES), _true_boxes, "text"),
    "found_boxes_csv": Reader("found.csv", _with_images(BOXES), _read_boxes, "text"),
    "found_boxes_json": Reader("found.json", _with_images(json.dumps(FOUND)), _read_boxes, "json"),
    "photographs": Reader("boxes.json", _text(json.dumps(FOUND)), _photographs, "json"),
    "maps": Reader("a.npy", _with_images(), _read_maps),
    "xml": Reader("a.xml", _text(XML), _xml, "text"),
    "wsol_ids": Reader("val/image_ids.txt", _wsol, _read_wsol, "text"),
    "wsol_sizes": Reader("val/image_sizes.txt", _wsol, _read_wsol, "text"),
    "png": Reader("a.png", _picture, _read_picture),
    "jpeg": Reader("a.jpg", _picture, _read_picture),
    "gif": Reader("a.gif", _picture, _read_picture),
    "tiff": Reader("a.tif", _picture, _read_picture),
    "webp": Reader("a.webp", _picture, _read_picture),
    "frames": Reader("img_00002.png", _frames, _read_frames),
    "mp4": Reader("v.mp4", _video, _read_video),
    "mkv": Reader("v.mkv", _video, _read_video),
    "model_card": Reader("README.md", _text("---\nlicense: mit\n---\n# x\n"), _card, "text"),
    "package_index": Reader("i.json", _text(json.dumps(LINKS)), _index, "json"),
}
