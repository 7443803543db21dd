from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from thas.core.errors import DataError, failure_lines
from thas.image_has.folder import read_folder
from thas.image_has.ilsvrc import read_annotation, read_ilsvrc
from thas.image_has.images import ImageTable, clean_boxes
from thas.image_has.wsol_lists import is_wsol_folder, read_wsol_lists


def image(path: Path, size: tuple[int, int] = (20, 10)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", size).save(path)


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    for name in ("train/cat/1.png", "train/dog/2.png", "val/cat/3.png", "val/dog/4.png"):
        image(tmp_path / name)
    return tmp_path


def boxes_csv(root: Path, *rows: str) -> None:
    (root / "boxes.csv").write_text("\n".join(["image,label,x0,y0,x1,y1", *rows]) + "\n")


def test_a_folder_of_subsets_and_classes(animals: Path):
    boxes_csv(animals, "val/cat/3.png,cat,1,2,5,6", "val/cat/3.png,cat,0,0,20,10")
    tables = read_folder(animals)
    assert tables["train"].paths == ("train/cat/1.png", "train/dog/2.png")
    assert tables["val"].classes == ("cat", "dog")
    assert tables["val"].labels.tolist() == [0, 1]
    assert tables["val"].boxes["val/cat/3.png"].tolist() == [[1, 2, 5, 6], [0, 0, 20, 10]]
    assert not tables["train"].boxes
    assert not tables["val"].problems


def test_a_stray_image_does_not_make_classes_of_subsets(animals: Path):
    image(animals / "train/overview.png")
    tables = read_folder(animals)
    assert set(tables) == {"train", "val"}
    assert tables["train"].classes == ("cat", "dog")
    assert failure_lines(tables["train"].problems) == ["1 x file in no class's folder, left out: train/overview.png"]


def test_class_folders_alone_are_training_images(tmp_path: Path):
    image(tmp_path / "cat" / "1.PNG")
    image(tmp_path / "dog" / "deeper" / "2.png")
    (tmp_path / "bird").mkdir()
    table = read_folder(tmp_path)["train"]
    assert table.paths == ("cat/1.PNG", "dog/deeper/2.png")
    assert failure_lines(table.problems) == ["1 x class without images: train/bird"]


def test_files_that_are_no_images_by_their_names_are_named(animals: Path):
    (animals / "train/cat/5.heic").touch()
    (animals / "train/cat/.hidden").touch()
    problems = read_folder(animals)["train"].problems
    assert failure_lines(problems) == ["1 x file that is no image by its name, left out: train/cat/5.heic"]


def test_boxes_outside_their_image_are_cut_or_left_out_and_reported(animals: Path):
    boxes_csv(animals, "val/cat/3.png,cat,-3,2,99,6", "val/dog/4.png,dog,30,0,40,5", "val/dog/4.png,dog,5,5,5,9")
    table = read_folder(animals)["val"]
    assert table.boxes["val/cat/3.png"].tolist() == [[0, 2, 20, 6]]
    assert "val/dog/4.png" not in table.boxes
    assert sorted(problem.what for problem in table.problems) == [
        "box reaching outside its image, cut",
        "box wholly outside its image, left out",
        "box without an area, left out",
    ]


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("val/cat/9.png,cat,0,0,1,1", "line 2: there is no image 'val/cat/9.png'"),
        ("val/cat/3.png,dog,0,0,1,1", "labelled 'dog'"),
        ("val/cat/3.png,cat,0,x,1,1", "not four numbers"),
        ("val/cat/3.png,cat,0,1", "line 2: 4 fields where the heading has 6"),
    ],
)
def test_a_wrong_row_of_boxes_is_named_by_its_line(animals: Path, row: str, named: str):
    boxes_csv(animals, row)
    with pytest.raises(DataError, match=named):
        read_folder(animals)


def test_wrong_rows_among_right_ones_are_left_out_and_reported(animals: Path):
    wrong = [
        "train/cat/9.png,cat,0,0,1,1",
        "val/dog/4.png,cat,0,0,1,1",
        "val/cat/3.png,cat,0,x,1,1",
        "gone,cat,0,0,1,1",
    ]
    boxes_csv(animals, *wrong, "val/cat/3.png,cat,1,2,5,6")
    tables = read_folder(animals)
    assert list(tables["val"].boxes) == ["val/cat/3.png"]
    reported = {name: [problem.subject for problem in table.problems] for name, table in tables.items()}
    assert reported == {"train": ["train/cat/9.png", "gone"], "val": ["val/dog/4.png", "val/cat/3.png"]}


def test_boxes_from_a_spreadsheet(animals: Path):
    rows = "\ufeffImage;Label;x0;y0;x1;y1\r\nval/cat/3.png;cat;1.5;2;5;6\r\n"
    (animals / "boxes.csv").write_bytes(rows.encode())
    assert read_folder(animals)["val"].boxes["val/cat/3.png"].tolist() == [[1.5, 2, 5, 6]]


def test_a_box_of_a_broken_image_is_kept_and_the_image_reported(animals: Path):
    (animals / "val/cat/3.png").write_bytes(b"broken")
    boxes_csv(animals, "val/cat/3.png,cat,0,0,5,5")
    table = read_folder(animals)["val"]
    assert table.boxes["val/cat/3.png"].tolist() == [[0, 0, 5, 5]]
    assert [problem.what for problem in table.problems] == ["image whose size cannot be read"]


def test_a_table_without_columns_or_a_folder_without_images_is_named(animals: Path, tmp_path: Path):
    (animals / "boxes.csv").write_text("image,x0\n")
    with pytest.raises(DataError, match="has no column 'label'"):
        read_folder(animals)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        read_folder(tmp_path / "empty")
    with pytest.raises(DataError, match="there is no folder"):
        read_folder(tmp_path / "absent")


def test_labels_follow_a_networks_order_of_classes(animals: Path):
    table = read_folder(animals)["val"]
    assert table.relabelled(("dog", "bird", "cat")).labels.tolist() == [2, 0]
    with pytest.raises(DataError, match="1 classes of the images are unknown to the network: dog"):
        table.relabelled(("cat", "bird"))


def test_a_label_outside_the_classes_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"b\.png has label 2"):
        ImageTable(tmp_path, ("a.png", "b.png"), np.array([0, 2]), ("cat", "dog"))


def test_taking_rows_takes_their_boxes(animals: Path):
    boxes_csv(animals, "val/cat/3.png,cat,1,2,5,6", "val/dog/4.png,dog,1,2,5,6")
    assert list(read_folder(animals)["val"].take([1]).boxes) == ["val/dog/4.png"]


def test_boxes_without_a_finite_corner_are_left_out():
    cleaned, problems = clean_boxes({"a": [(0, 0, float("nan"), 5)]}, {})
    assert (cleaned, len(problems)) == ({}, 1)


TENCH, SHARK = "n01440764", "n01484850"


def annotation(objects: str, size: str = "<size><width>20</width><height>10</height></size>") -> str:
    return f"<annotation>{size}{objects}</annotation>"


def thing(wnid: str, x0: int, y0: int, x1: int, y1: int) -> str:
    corners = f"<xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>"
    return f"<object><name>{wnid}</name><bndbox>{corners}</bndbox></object>"


@pytest.fixture
def ilsvrc(tmp_path: Path) -> Path:
    data, xml = tmp_path / "ILSVRC/Data/CLS-LOC", tmp_path / "ILSVRC/Annotations/CLS-LOC/val"
    for name in (f"train/{TENCH}/a.JPEG", f"train/{TENCH}/b.JPEG", "train/n999/x.JPEG"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).touch()
    xml.mkdir(parents=True)
    (data / "val").mkdir()
    for i, text in enumerate(
        [
            annotation(thing(SHARK, 2, 1, 9, 8) + thing(SHARK, 0, 0, 25, 9)),
            annotation(""),
            "<annotation><object>",
            annotation(thing("n77", 0, 0, 5, 5)),
            None,
            annotation(thing(TENCH, 1, 1, 3, 3), size=""),
        ],
        start=1,
    ):
        (data / "val" / f"ILSVRC2012_val_{i:08}.JPEG").touch()
        if text is not None:
            (xml / f"ILSVRC2012_val_{i:08}.xml").write_text(text)
    (tmp_path / "LOC_synset_mapping.txt").write_text(
        f"{TENCH} tench, Tinca tinca\n{SHARK} great white shark, man-eater\n"
    )
    return tmp_path


def test_the_official_layout_by_xml(ilsvrc: Path):
    tables = read_ilsvrc(ilsvrc)
    assert tables["train"].classes == (TENCH, SHARK)
    assert [path.rsplit("/", 1)[1] for path in tables["train"].paths] == ["a.JPEG", "b.JPEG"]
    assert failure_lines(tables["train"].problems) == [
        "1 x folder of no known class: train/n999",
        f"1 x class without images: train/{SHARK}",
    ]
    val = tables["val"]
    assert val.labels.tolist() == [1, 0]
    assert val.boxes["val/ILSVRC2012_val_00000001.JPEG"].tolist() == [[2, 1, 10, 9], [0, 0, 20, 10]]
    assert sorted(problem.what for problem in val.problems) == [
        "annotation that cannot be read",
        "annotation without objects",
        "box reaching outside its image, cut",
        "image without annotation, left out",
        "image without annotation, left out",
        "image without annotation, left out",
        "label of no known class, left out",
    ]
    assert not val.upright
    assert val.titles[SHARK] == tables["train"].titles[SHARK] == "great white shark"


def test_the_official_layout_by_solution_file(ilsvrc: Path):
    rows = ["ImageId,PredictionString", f"ILSVRC2012_val_00000003,{TENCH} 1 2 3 4 {TENCH} 5 5 9 9 "]
    (ilsvrc / "LOC_val_solution.csv").write_text("\n".join(rows))
    val = read_ilsvrc(ilsvrc / "ILSVRC", training=False)["val"]
    assert val.boxes["val/ILSVRC2012_val_00000003.JPEG"].tolist() == [[1, 2, 4, 5], [5, 5, 10, 10]]
    assert len(val) == 1
    shutil.rmtree(ilsvrc / "ILSVRC/Annotations")
    assert len(read_ilsvrc(ilsvrc, training=False)["val"]) == 1, "the solution file does without the XML files"


def test_a_wrong_line_of_the_solution_or_the_mapping_is_named(ilsvrc: Path):
    (ilsvrc / "LOC_val_solution.csv").write_text(f"ImageId,PredictionString\nILSVRC2012_val_00000003,{TENCH} 1 2 3\n")
    with pytest.raises(DataError, match="line 2 is not an annotation"):
        read_ilsvrc(ilsvrc)
    (ilsvrc / "LOC_synset_mapping.txt").write_text("tench\n")
    with pytest.raises(DataError, match="line 1 does not begin with a WordNet id"):
        read_ilsvrc(ilsvrc)


def test_another_layout_and_missing_labels_are_named(ilsvrc: Path, tmp_path: Path):
    for path in (ilsvrc / "ILSVRC/Annotations/CLS-LOC/val").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="no validation image"):
        read_ilsvrc(ilsvrc)
    shutil.rmtree(ilsvrc / "ILSVRC/Annotations")
    with pytest.raises(DataError, match="no validation image"):
        read_ilsvrc(ilsvrc)
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match="not laid out as ILSVRC"):
        read_ilsvrc(tmp_path / "other")


def test_an_entity_bomb_is_no_annotation(tmp_path: Path):
    levels = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))
    text = (
        f'<!DOCTYPE a [<!ENTITY e0 "aaaaaaaaaa">{levels}]><annotation><object><name>&e9;</name></object></annotation>'
    )
    (tmp_path / "bomb.xml").write_text(text)
    with pytest.raises(DataError, match="declares entities of its own"):
        read_annotation(tmp_path / "bomb.xml")


def test_the_lists_of_wsolevaluation(tmp_path: Path):
    (tmp_path / "image_ids.txt").write_text("val/a,b.jpg\nval/c.jpg\nval/d.jpg\n")
    (tmp_path / "class_labels.txt").write_text("val/a,b.jpg,1\nval/c.jpg,0\n")
    (tmp_path / "localization.txt").write_text("val/a,b.jpg,1,2,3,4\nval/a,b.jpg,0,0,99,4\nval/x.jpg,0,0,1,1\n")
    (tmp_path / "image_sizes.txt").write_text("val/a,b.jpg,20,10\n")
    assert is_wsol_folder(tmp_path)
    table = read_wsol_lists(tmp_path, images=tmp_path / "images")
    assert table.paths == ("val/a,b.jpg", "val/c.jpg")
    assert table.labels.tolist() == [1, 0]
    assert table.boxes["val/a,b.jpg"].tolist() == [[1, 2, 3, 4], [0, 0, 20, 4]]
    assert len(table.problems) == 3


def test_classes_of_the_lists_without_images_are_named(tmp_path: Path):
    (tmp_path / "image_ids.txt").write_text("val/a.jpg\n")
    (tmp_path / "class_labels.txt").write_text("val/a.jpg,2\n")
    problems = read_wsol_lists(tmp_path, images=tmp_path).problems
    assert failure_lines(problems) == ["2 x class without images: 0, 1"]


@pytest.mark.parametrize(("file", "text"), [("class_labels.txt", "a.jpg,x\n"), ("localization.txt", "a.jpg,1,2\n")])
def test_a_wrong_line_of_a_list_is_named(tmp_path: Path, file: str, text: str):
    (tmp_path / "image_ids.txt").write_text("a.jpg\n")
    (tmp_path / "class_labels.txt").write_text("a.jpg,0\n")
    (tmp_path / file).write_text(text)
    with pytest.raises(DataError, match=f"{file} line 1"):
        read_wsol_lists(tmp_path, images=tmp_path)


def test_a_folder_without_lists_is_named(tmp_path: Path):
    assert not is_wsol_folder(tmp_path)
    with pytest.raises(DataError, match=r"image_ids\.txt cannot be read"):
        read_wsol_lists(tmp_path, images=tmp_path)
