"""From trained networks, boxes or maps to scores, on images of coloured squares."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from torch import nn

from thas.core.errors import DataError, UsageError
from thas.core.resume import Begin
from thas.core.run_settings import read_settings
from thas.image_has.activation import Localization, upsampled
from thas.image_has.box_files import read_boxes, read_maps, write_boxes
from thas.image_has.box_workers import boxes_of
from thas.image_has.datasets import open_images
from thas.image_has.decode import read_image
from thas.image_has.evaluate import ScoredImages, evaluate
from thas.image_has.loading import normalised
from thas.image_has.localize import localize
from thas.image_has.localizer import Localizer, with_changes
from thas.image_has.network import CamNetwork, build_network
from thas.image_has.photographs import localize_photographs
from thas.image_has.pictures import draw_predictions, spread_rows
from thas.image_has.predict import predict
from thas.image_has.scores import score
from thas.image_has.session import train_run
from thas.image_has.settings import ImageSettings
from thas.image_has.train import train
from thas.image_has.views import refined, views
from thas.image_has.weights import TrainedNetwork

SETTINGS = ImageSettings().updated(
    {"input.size": 32, "input.resize": 40, "input.mean": "0 0 0", "input.std": "1 1 1", "localize.threshold": 0.5}
)
SQUARES = {"blue/0": (0, 0, 16, 16), "blue/1": (20, 4, 36, 12), "red/0": (8, 8, 40, 24), "red/1": (0, 0, 40, 24)}
WIDTH, HEIGHT = 40, 24


@pytest.fixture
def squares(tmp_path: Path) -> Path:
    """Red or blue rectangles on black, 40 x 24 pixels, with their boxes."""
    rows = ["image,label,x0,y0,x1,y1"]
    for name, box in SQUARES.items():
        label = name.split("/", 1)[0]
        image = PIL.Image.new("RGB", (WIDTH, HEIGHT))
        image.paste(label, box)
        path = tmp_path / "squares" / "val" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
        rows.append(f"val/{name}.png,{label},{','.join(map(str, box))}")
    (tmp_path / "squares" / "boxes.csv").write_text("\n".join(rows))
    return tmp_path / "squares"


def colour_network(*, swapped: bool = False) -> TrainedNetwork:
    """Knows blue and red exactly: its maps are the image's channels."""
    network = CamNetwork(nn.Identity(), 3, 2)
    weight = torch.tensor([[0.0, 0.0, 9.0], [9.0, 0.0, 0.0]])
    network.classifier.weight = nn.Parameter(weight.flip(0) if swapped else weight)
    network.classifier.bias = nn.Parameter(torch.zeros(2))
    return TrainedNetwork(network.eval(), ("blue", "red"), SETTINGS)


def table_of(squares: Path):
    return open_images(str(squares)).subset("val")


def test_a_network_that_knows_gets_every_box_and_class(squares: Path):
    found = predict(Localizer.of(colour_network(), device="cpu"), table_of(squares), sweep=10)
    for i, (box, annotated) in enumerate(zip(found.known_boxes, SQUARES.values(), strict=True)):
        np.testing.assert_allclose(box, annotated, atol=2.0, err_msg=str(i))
    scores = score(found).to_json()
    assert scores["gt_known_loc"] == scores["top1_loc"] == scores["top1_clas"] == 1
    assert scores["swept"]["max_box_acc"] == 1
    assert scores["baselines"]["whole_image"] == 0.5


def test_other_processes_decode_and_box_to_the_same_numbers(squares: Path):
    localizer = Localizer.of(colour_network(swapped=True), device="cpu")
    here, there = (predict(localizer, table_of(squares), sweep=10, batch_size=1, workers=workers) for workers in (0, 1))
    for name in ("predicted", "probabilities", "known_boxes", "predicted_boxes", "largest", "any_part", "sizes"):
        np.testing.assert_array_equal(getattr(here, name), getattr(there, name), err_msg=name)


def test_a_network_that_mixes_the_classes_up(squares: Path):
    scores = score(predict(Localizer.of(colour_network(swapped=True), device="cpu"), table_of(squares)))
    assert (scores.top1_clas, scores.top1_loc) == (0, 0)
    assert scores.gt_known_loc == 0.5, "the wrong channel is flat, so its box is the whole image"


def test_ten_crops_lie_back_where_they_came_from(squares: Path):
    assert len(set(views(40, 32))) == 10
    settings = SETTINGS.updated({"localize.ten_crop": True})
    localizer = Localizer.of(colour_network(), settings=settings, device="cpu")
    pixels = torch.zeros(1, 3, 40, 40, dtype=torch.uint8)
    pixels[:, 0, 10:20, 25:38] = 255
    maps = localizer.maps(pixels, torch.tensor([1])).maps[0, 1]
    torch.testing.assert_close(maps, pixels[0, 0] / 255 * 9.0)
    assert score(predict(localizer, table_of(squares))).gt_known_loc == 1


def test_with_mirror_images_left_and_right_are_alike():
    network = build_network(ImageSettings.preset("image-demo").network, classes=2, seed=0)
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def seen(pixels: torch.Tensor, *, mirror: bool) -> Localization:
        settings = SETTINGS.updated({"localize.mirror": mirror})
        return Localizer.of(TrainedNetwork(network, ("blue", "red"), settings), device="cpu").maps(pixels)

    here, there = seen(pixels, mirror=True), seen(pixels.flip(-1), mirror=True)
    torch.testing.assert_close(here.probabilities, there.probabilities)
    torch.testing.assert_close(here.maps, there.maps.flip(-1))
    one, other = seen(pixels, mirror=False), seen(pixels.flip(-1), mirror=False)
    assert not torch.allclose(one.maps, other.maps.flip(-1), atol=1e-3)
    torch.testing.assert_close(here.probabilities, (one.probabilities + other.probabilities) / 2)


def test_several_sizes_are_averaged(squares: Path):
    """Each size says what it would alone, of the same picture at that size; maps are at the largest's pixels."""
    network = build_network(ImageSettings.preset("image-demo").network, classes=2, seed=0)
    pixels = torch.randint(0, 256, (2, 3, 48, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def seen(**changes: object) -> Localizer:
        named = {f"{'input' if name == 'size' else 'localize'}.{name}": value for name, value in changes.items()}
        settings = SETTINGS.updated({"input.resize": 48, **named})
        return Localizer.of(TrainedNetwork(network, ("blue", "red"), settings), device="cpu")

    both = seen(size=32, sizes=(48,))
    assert both.side == 48
    small = torch.nn.functional.interpolate(pixels.float(), size=(32, 32), mode="bilinear", antialias=True).round()
    alone = [seen(size=32).maps(small.to(torch.uint8)), seen(size=48).maps(pixels)]
    found = both.maps(pixels)
    torch.testing.assert_close(found.probabilities, sum(one.probabilities for one in alone) / 2, atol=2e-3, rtol=0)
    maps = [upsampled(one.maps, (48, 48)) for one in alone]
    assert found.maps.shape == (2, 1, 48, 48)
    # A map drawn up twice is smoother than one drawn up once; elsewhere they agree.
    assert (found.maps - sum(maps) / 2).abs().mean() < 0.05 * found.maps.abs().mean()
    assert (found.maps - maps[1]).abs().mean() > 0.1 * found.maps.abs().mean(), "the smaller one counts"
    assert (Localizer.of(colour_network(), settings=both.settings, device="cpu").side) == 48
    with pytest.raises(UsageError, match=r"ten_crop and localize\.sizes"):
        SETTINGS.updated({"localize.ten_crop": True, "localize.sizes": (48,)})


def test_images_are_looked_at_in_another_size_than_in_training(squares: Path):
    """Of any size, also above the one that images had before a crop; ten crops keep their share of the image."""
    localizer = Localizer.of(colour_network(), device="cpu")
    larger = with_changes(localizer, {"input.size": 80})
    assert (larger.side, larger.settings.input.resize) == (80, 100)
    found = larger.maps(torch.zeros(1, 3, 80, 80, dtype=torch.uint8))
    assert found.maps.shape == (1, 1, 80, 80)
    assert score(predict(larger, table_of(squares))).gt_known_loc == 1
    crops = with_changes(localizer, {"input.size": "64", "localize.ten_crop": True})
    assert (crops.side, crops.settings.input.size) == (80, 64)
    assert score(predict(crops, table_of(squares))).gt_known_loc == 1
    assert localizer.side == 32, "the one it was made of stays"
    alexnet = build_network(ImageSettings.preset("images-128").network, classes=2, seed=0)
    member = TrainedNetwork(alexnet, ("blue", "red"), ImageSettings.preset("images-128"))
    with pytest.raises(UsageError, match="alexnet cannot look at images of 8 pixels") as error:
        with_changes(Localizer.of(member, device="cpu"), {"input.size": 8})
    assert error.value.next == f"--set input.size={member.settings.input.size}"


def test_dropped_values_follow_from_the_picture_alone():
    network = build_network(ImageSettings.preset("image-demo").network, classes=2, seed=0)
    settings = SETTINGS.updated({"input.dropout": "always"})
    localizer = Localizer.of(TrainedNetwork(network, ("blue", "red"), settings), device="cpu")
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    together, alone = localizer.maps(pixels), localizer.maps(pixels[1:])
    torch.testing.assert_close(together.maps[1:], alone.maps)
    assert not torch.allclose(together.maps[0], together.maps[1])


def test_boxes_at_several_thresholds_are_averaged_edge_by_edge(squares: Path):
    maps = np.random.default_rng(0).random((3, 6, 7))
    rules = SETTINGS.updated({"localize.threshold": (0.2, 0.9), "localize.scale": "range"}).localize
    low, high = (localize(maps, threshold=t, scale="range") for t in (0.2, 0.9))
    assert (low != high).any()
    np.testing.assert_allclose(boxes_of(maps, rules), (low + high) / 2)
    settings = SETTINGS.updated({"localize.threshold": "0.2 0.9"})
    localizer = Localizer.of(colour_network(), settings=settings, device="cpu")
    assert score(predict(localizer, table_of(squares))).gt_known_loc == 1


def test_several_networks_average_maps_of_some_and_probabilities_of_all():
    right, wrong = colour_network(), colour_network(swapped=True)
    pixels = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    pixels[:, 0] = 255
    both = Localizer.of(right, wrong, device="cpu", map_members=[0]).maps(pixels, torch.tensor([1]))
    torch.testing.assert_close(both.probabilities, torch.tensor([[0.5, 0.5]]))
    torch.testing.assert_close(both.maps[0, 1], torch.full((32, 32), 9.0))
    every = Localizer.of(right, wrong, device="cpu").maps(pixels, torch.tensor([1]))
    torch.testing.assert_close(every.maps[0, 1], torch.full((32, 32), 4.5))


def test_networks_of_other_classes_are_not_averaged():
    stranger = TrainedNetwork(colour_network().network, ("cat", "dog"), SETTINGS)
    with pytest.raises(UsageError, match="cannot be averaged"):
        Localizer.of(colour_network(), stranger)


def test_a_broken_image_is_named_and_counts_as_missed(squares: Path):
    (squares / "val/red/1.png").write_bytes(b"broken")
    found = predict(Localizer.of(colour_network(), device="cpu"), table_of(squares))
    assert [problem.subject for problem in found.failed] == ["val/red/1.png"]
    scores = score(found)
    assert (scores.images, scores.gt_known_loc, scores.top1_clas) == (4, 0.75, 0.75)


def test_images_without_boxes_are_left_out_and_counted(squares: Path):
    lines = (squares / "boxes.csv").read_text().splitlines()
    (squares / "boxes.csv").write_text("\n".join(lines[:-1]))
    scores = score(predict(Localizer.of(colour_network(), device="cpu"), table_of(squares)))
    assert (scores.images, scores.without_boxes) == (3, 1)
    (squares / "boxes.csv").unlink()
    scores = score(predict(Localizer.of(colour_network(), device="cpu"), table_of(squares), sweep=5))
    assert (scores.top1_clas, scores.gt_known_loc, scores.top1_loc) == (1, None, None)
    assert json.dumps(scores.to_json())


def test_written_boxes_read_back_score_the_same(squares: Path, tmp_path: Path):
    table = table_of(squares)
    found = predict(Localizer.of(colour_network(swapped=True), device="cpu"), table)
    write_boxes(tmp_path / "boxes.json", found)
    again = score(read_boxes(tmp_path / "boxes.json", table))
    assert again.to_json() == score(found).to_json()


def test_boxes_of_others_as_csv(squares: Path, tmp_path: Path):
    rows = [
        "image,label,x0,y0,x1,y1,score",
        "val/blue/0.png,red,0,0,40,24,0.9",
        "val/blue/0.png,blue,0,0,16,16,0.1",
        "val/red/0.png,red,8,8,40,24,0.8",
        "val/red/1.png,violet,0,0,40,24,0.8",
    ]
    (tmp_path / "theirs.csv").write_text("\n".join(rows))
    found = evaluate(boxes=tmp_path / "theirs.csv", images=ScoredImages(dataset=str(squares), runs=tmp_path / "runs"))
    assert found.scores.gt_known_loc == 0.5
    assert found.scores.top1_loc == found.scores.top1_clas == 0.25
    assert [problem.subject for problem in found.predictions.failed] == ["val/blue/1.png"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("image,label\nval/blue/0.png,red\n", r"theirs\.csv has no column 'x0'"),
        ("image,label,x0,y0,x1,y1\nval/blue/0.png,red,a,0,1,1\n", r"theirs\.csv holds no boxes\nwhy:  line 2: .*'a'"),
    ],
)
def test_malformed_boxes_are_named(squares: Path, tmp_path: Path, text: str, named: str):
    (tmp_path / "theirs.csv").write_text(text)
    with pytest.raises(DataError, match=named):
        read_boxes(tmp_path / "theirs.csv", table_of(squares))


def test_boxes_of_unknown_images_are_named(squares: Path, tmp_path: Path):
    (tmp_path / "theirs.csv").write_text("image,label,x0,y0,x1,y1\nval/green/0.png,red,0,0,1,1\n")
    with pytest.raises(DataError, match=r"val/green/0\.png"):
        read_boxes(tmp_path / "theirs.csv", table_of(squares))


def test_maps_of_others(squares: Path, tmp_path: Path):
    for name, (x0, y0, x1, y1) in SQUARES.items():
        if name != "red/1":
            one = np.zeros((HEIGHT // 2, WIDTH // 2), np.float32)
            one[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2] = 1
            path = tmp_path / "maps" / "val" / f"{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, one)
    found = evaluate(maps=tmp_path / "maps", images=ScoredImages(dataset=str(squares), runs=tmp_path / "runs"))
    assert found.scores.gt_known_loc == 0.75
    assert found.scores.top1_clas is None
    assert found.scores.swept["max_box_acc"] == 0.75
    np.save(tmp_path / "maps/val/red/1.npy", np.full((4, 4), np.nan))
    with pytest.raises(DataError, match="is not a map"):
        evaluate(maps=tmp_path / "maps", images=ScoredImages(dataset=str(squares), runs=tmp_path / "runs"))
    for content in (b"", np.ones((1, 4, 4))):
        path = tmp_path / "maps/val/red/1.npy"
        path.write_bytes(content) if isinstance(content, bytes) else np.save(path, content)
        with pytest.raises(DataError, match=r"1\.npy is not a map"):
            evaluate(maps=tmp_path / "maps", images=ScoredImages(dataset=str(squares), runs=tmp_path / "runs"))
    with pytest.raises(DataError, match="holds no map"):
        read_maps(tmp_path, table_of(squares), settings=SETTINGS.localize)


def test_boxes_without_a_data_set_are_a_question(tmp_path: Path):
    with pytest.raises(UsageError, match="which images"):
        evaluate(boxes=tmp_path / "theirs.csv", images=ScoredImages(runs=tmp_path / "runs"))


def test_boxes_are_of_the_data_set_named_whatever_runs_there_are(squares: Path, tmp_path: Path):
    (tmp_path / "theirs.csv").write_text("image,label,x0,y0,x1,y1\nval/red/1.png,red,0,0,40,24\n")
    newest = tmp_path / "runs/others/20260101-000000"
    newest.mkdir(parents=True)
    (newest / "settings.toml").write_text("no settings of a run")
    assert (
        evaluate(
            boxes=tmp_path / "theirs.csv", images=ScoredImages(dataset=str(squares), runs=tmp_path / "runs")
        ).scores.images
        == 4
    )


def test_boxes_may_name_images_by_their_paths_even_those_of_links(
    squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    real = tmp_path / "store.png"
    (squares / "val/red/1.png").rename(real)
    (squares / "val/red/1.png").symlink_to(real)
    monkeypatch.chdir(tmp_path)
    rows = [
        "image,label,x0,y0,x1,y1,score",
        "squares/val/red/1.png,red,0,0,40,24,0.9",
        "val/red/1.png,blue,0,0,9,9,0.95",
    ]
    (tmp_path / "theirs.csv").write_text("\n".join(rows))
    found = read_boxes(tmp_path / "theirs.csv", table_of(squares))
    assert found.known_boxes[3].tolist() == [0, 0, 40, 24]
    assert found.predicted[3] == 0, "both rows are of one image"


def test_no_images_and_no_classes(squares: Path):
    localizer = Localizer.of(colour_network(), device="cpu")
    assert localizer.localize([]) == []
    with pytest.raises(ValueError, match="top must be 1 or more"):
        localizer.localize([PIL.Image.new("RGB", (4, 4))], top=0)
    found = localizer.localize([PIL.Image.new("RGB", (40, 24), "red")] * 9)
    assert len(found) == 9
    assert found[0].map.base is None, "a map does not keep those of all the others in memory"


def test_photographs_of_any_kind_are_boxed_and_drawn_and_the_broken_named(squares: Path, tmp_path: Path):
    turned = PIL.Image.new("RGB", (24, 40))
    turned.paste("red", (0, 0, 24, 10))
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "0.png", exif=exif)  # shown as 40 x 24 with red on the right
    (tmp_path / "broken.jpg").write_bytes(b"broken")
    PIL.Image.new("RGB", (1, 1), "blue").save(tmp_path / "one.png")
    paths = [squares / "val/red/0.png", tmp_path / "0.png", tmp_path / "broken.jpg", tmp_path / "one.png"]
    localizer = Localizer.of(colour_network(), device="cpu")
    found, failed = localize_photographs(paths, localizer, top=2, pictures=tmp_path / "drawn")
    assert [(p.subject, p.what) for p in failed] == [(str(tmp_path / "broken.jpg"), "photograph that cannot be read")]
    assert [one.boxes[0][0] for one in found] == ["red", "red", "blue"]
    np.testing.assert_allclose(found[1].boxes[0][2], [30, 0, 40, 24], atol=2)
    assert found[2].boxes[0][2] == (0, 0, 1, 1)
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["0-2.png", "0.png", "one.png"]
    assert json.dumps([one.to_json() for one in found])


def test_several_photographs_at_once_are_boxed_as_each_alone(squares: Path, tmp_path: Path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"broken")
    paths = [*sorted((squares / "val").rglob("*.png")) * 3, *[broken] * 9, squares / "val/red/0.png"]
    seen: list[object] = []
    localizer = Localizer.of(colour_network(), device="cpu")
    found, failed = localize_photographs(paths, localizer, top=2, on_photo=seen.append)
    assert len(failed) == 9
    assert [one is None for one in seen] == [path == broken for path in paths]
    assert [one.path for one in found] == [path for path in paths if path != broken]
    for one in found:
        alone = localizer.localize([PIL.Image.open(one.path)], top=2)[0]
        assert [(box.label, box.box) for box in one.boxes] == [(box.label, box.box) for box in alone.boxes]
    assert localize_photographs([broken], localizer)[0] == []


def test_the_likeliest_classes_come_in_order_each_with_its_own_map():
    network = CamNetwork(nn.Identity(), 3, 3)
    network.classifier.weight = nn.Parameter(torch.tensor([[0.0, 0.0, 3.0], [9.0, 0.0, 0.0], [0.0, 0.0, 3.0]]))
    network.classifier.bias = nn.Parameter(torch.zeros(3))
    settings = SETTINGS.updated({"localize.refine": 2})
    localizer = Localizer.of(TrainedNetwork(network.eval(), ("blue", "red", "level"), settings), device="cpu")
    pixels = torch.randint(0, 200, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pixels[1:, 0] += 55
    found = localizer.maps(pixels, top=9)
    assert found.ranked.shape == (3, 3), "no more than there are"
    assert found.ranked[1].tolist() == [1, 0, 2], "of classes drawn level the first comes first"
    known = torch.tensor([2, 0, 1])  # never and once the predicted class
    both = localizer.maps(pixels, known)
    assert both.predicted.tolist() == found.ranked[:, 0].tolist()
    for i, label in enumerate(known.tolist()):
        place = found.ranked[i].tolist().index(label)
        torch.testing.assert_close(both.maps[i, 1], found.maps[i, place])
        torch.testing.assert_close(both.maps[i, 0], found.maps[i, 0])


def test_readers_see_a_classs_name_where_it_has_one(squares: Path, tmp_path: Path):
    table = table_of(squares)
    table = replace(table, titles={"red": "a red thing", "green": "none of these"})
    settings = ImageSettings.preset("image-demo").updated({"train.epochs": 1, "train.stages": 9, "train.batch_size": 4})
    colours = {"input.mean": (0.5, 0.5, 0.5), "input.std": (1.0, 1.0, 1.0)}
    train(table, settings=settings.updated(colours), folder=tmp_path)
    localizer = Localizer.from_run(tmp_path / "weights.safetensors", device="cpu")
    assert [localizer.title(name) for name in localizer.classes] == ["blue", "a red thing"]
    assert localizer.members[0].titles == {"red": "a red thing"}


def test_boxes_that_reach_outside_are_cut_when_an_images_size_is_first_known(squares: Path):
    table = table_of(squares)
    name = "val/red/1.png"
    reaching = replace(table, boxes={**table.boxes, name: np.array([[-5.0, 0, 99, 24], [200, 0, 300, 10]])})
    found = predict(Localizer.of(colour_network(), device="cpu"), reaching, sweep=5)
    assert found.table.boxes[name].tolist() == [[0, 0, 40, 24]]
    assert sorted(problem.what for problem in found.table.problems) == [
        "box reaching outside its image, cut",
        "box wholly outside its image, left out",
    ]
    cut = predict(Localizer.of(colour_network(), device="cpu"), table, sweep=5)
    np.testing.assert_array_equal(found.largest, cut.largest)
    assert score(found).gt_known_loc == score(cut).gt_known_loc


def test_rows_to_draw_are_spread_over_the_classes(squares: Path):
    assert spread_rows(table_of(squares), 2) == [0, 2]
    assert spread_rows(table_of(squares), 99) == [0, 1, 2, 3]


def test_a_run_is_trained_found_and_evaluated(squares: Path, tmp_path: Path):
    (squares / "train").mkdir()
    for name in ("blue", "red"):
        (squares / "val" / name).rename(squares / "train" / name)
        (squares / "val" / name).mkdir()
        for i in (0, 1):
            content = (squares / "train" / name / f"{i}.png").read_bytes()
            (squares / "val" / name / f"{i}.png").write_bytes(content)
    settings = ImageSettings.preset("image-demo").updated(
        {
            "input.size": 16,
            "input.resize": 16,
            "train.epochs": 2,
            "train.stages": 1,
            "train.batch_size": 4,
            "train.device": "cpu",
        }
    )
    runs = tmp_path / "runs"
    assert settings.input.mean == ()
    result = train_run(str(squares), settings=settings, begin=Begin(runs))
    assert result.items == 4
    evaluation = evaluate(images=ScoredImages(runs=runs), device="cpu")
    draw_predictions(evaluation.predictions, evaluation.localizer, tmp_path / "drawn")
    assert len(evaluation_settings(result.run).input.mean) == 3, "measured, and kept for evaluation"
    assert (result.run / "boxes.json").exists()
    assert json.loads((result.run / "scores.json").read_text())["images"] == 4
    assert len(list((tmp_path / "drawn").iterdir())) == 4
    assert evaluation.scores.images == 4
    larger = evaluate(images=ScoredImages(runs=runs), device="cpu", changes={"input.size": 24})
    assert larger.localizer is not None
    assert larger.localizer.side == 24
    assert larger.written == (), "a run keeps the scores of its own size"
    again = train_run(str(squares), settings=settings, begin=Begin(runs, resume=True))
    assert again.run == result.run
    assert (again.new_epochs, again.last) == (0, result.last)
    with pytest.raises(UsageError, match=r"another train\.seed"):
        train_run(
            str(squares),
            settings=settings.updated({"train.seed": 5}),
            origins={"train.seed": "option"},
            begin=Begin(runs, resume=True),
        )


def evaluation_settings(run: Path) -> ImageSettings:
    return read_settings(run, ImageSettings)[0]


def test_called_with_files_it_gives_a_table_of_boxes(squares: Path):
    localizer = Localizer.of(colour_network(), device="cpu")
    files = sorted((squares / "val").rglob("*.png"))
    found = localizer(*files, top=2)
    assert set(found.image) <= {str(file) for file in files}
    expected = localizer.localize([read_image(file) for file in files], top=2)
    rows = [(str(f), b.label, *b.box, b.score) for f, one in zip(files, expected, strict=True) for b in one.boxes]
    assert [*found] == [row for row in rows if any(row[2:6])]
    assert localizer(read_image(files[0])).image.tolist() == ["0"]
    assert len(localizer()) == 0


def test_labels_that_do_not_match_the_network_are_named(squares: Path):
    (squares / "val" / "red").rename(squares / "val" / "green")
    (squares / "boxes.csv").unlink()
    with pytest.raises(DataError, match="unknown to the network: green"):
        predict(Localizer.of(colour_network(), device="cpu"), table_of(squares))


def test_no_run_no_data_set_and_no_subset_are_named(tmp_path: Path, squares: Path):
    with pytest.raises(UsageError, match="there is no run"):
        Localizer.from_run(root=tmp_path / "runs")
    with pytest.raises(UsageError, match="not a run"):
        Localizer.from_run(tmp_path, root=tmp_path / "runs")
    with pytest.raises(UsageError, match="no image data set"):
        open_images("ilsvcr", data_root=tmp_path)
    with pytest.raises(UsageError, match="no subset 'vla'"):
        open_images(str(squares)).subset("vla")


def test_maps_are_refined_by_their_own_pictures():
    pixels = torch.randint(0, 256, (11, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    plain = Localizer.of(colour_network(swapped=True), device="cpu").maps(pixels)
    settings = SETTINGS.updated({"localize.refine": 3})
    sharper = Localizer.of(colour_network(swapped=True), settings=settings, device="cpu").maps(pixels)
    pictures = normalised(pixels, settings=SETTINGS.input)
    for i in range(11):
        expected = refined(plain.maps[i : i + 1].clamp(min=0), pictures[i : i + 1], iterations=3)
        torch.testing.assert_close(sharper.maps[i : i + 1], expected)
    assert torch.equal(sharper.probabilities, plain.probabilities)


def test_a_run_is_scored_with_refined_maps_and_otsus_level(squares: Path):
    changes = {"localize.refine": 2, "localize.scale": "otsu", "localize.threshold": 0.8}
    settings = SETTINGS.updated(changes)
    scores = score(predict(Localizer.of(colour_network(), settings=settings, device="cpu"), table_of(squares)))
    assert scores.gt_known_loc == 1, "a rectangle of one colour on black keeps its box"
