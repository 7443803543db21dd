from __future__ import annotations

from pathlib import Path

import numpy as np

from thas.image_has.demo import CLASSES, draw_creature, make_demo_images
from thas.image_has.folder import read_folder


def test_the_set_is_a_folder_that_our_reader_takes(tmp_path: Path):
    tables = read_folder(make_demo_images(tmp_path, training=2, testing=3))
    assert {name: len(table) for name, table in tables.items()} == {"train": 8, "val": 12}
    assert tables["val"].classes == CLASSES
    assert len(tables["val"].boxes) == 12
    assert not tables["val"].problems, "every creature is wholly inside its image"


def test_the_same_seed_draws_the_same_images(tmp_path: Path):
    first, second = (make_demo_images(tmp_path / name, training=1, testing=1, seed=3) for name in "ab")
    for path in first.rglob("*.*"):
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes()


def test_the_box_holds_the_head_and_more():
    for label in range(len(CLASSES)):
        for i in range(10):
            image, (x0, _, x1, _) = draw_creature(label, random=np.random.default_rng(i))
            assert image.size == (64, 64)
            assert 20 < x1 - x0 < 64
            pixels = np.asarray(image).astype(int)
            colour = pixels.max(axis=2) - pixels.min(axis=2)
            bright = np.argwhere(colour > 120)  # the head's rings
            assert len(bright) > 10
            assert bright[:, 1].min() >= x0 - 1
            assert bright[:, 1].max() <= x1
            assert np.ptp(bright[:, 1]) < 0.6 * (x1 - x0)


def test_a_smaller_set_leaves_nothing_of_a_larger_one(tmp_path: Path):
    make_demo_images(tmp_path, training=3, testing=2)
    (tmp_path / "train/drix/mine.png").touch()
    make_demo_images(tmp_path, training=1, testing=1, seed=1)
    left = sorted(path.name for path in tmp_path.glob("*/drix/*.png"))
    assert left == ["0000.png", "0000.png", "mine.png"]
