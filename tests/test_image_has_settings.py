from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest

from thas.core.errors import UsageError
from thas.core.presets import preset_names, resolve_settings
from thas.core.settings_table import flatten
from thas.image_has.settings import OTSU_THRESHOLDS, ImageSettings


def test_the_papers_schedule_epoch_by_epoch():
    settings = ImageSettings.preset("ilsvrc")
    rates = [settings.at_epoch(epoch)[0] for epoch in range(settings.train.epochs)]
    assert rates == [1e-2] * 18 + [5e-3] * 11 + [1e-3] * 14 + [5e-4] * 9 + [1e-4] * 3
    assert [settings.at_epoch(epoch)[1] for epoch in (28, 29)] == [5e-4, 0.0]


@pytest.mark.parametrize("name", preset_names("image"))
def test_every_preset_can_be_printed_and_fed_back(name: str):
    settings = ImageSettings.preset(name)
    assert ImageSettings().updated(flatten(tomllib.loads(settings.to_toml()))) == settings


def test_every_setting_has_a_meaning_and_a_source():
    for key, description in ImageSettings.descriptions().items():
        assert description.doc, key
        assert description.source in ("paper", "unverified", "ours"), key


def test_precedence_and_where_each_value_came_from(tmp_path):
    config = tmp_path / "mine.toml"
    config.write_text("[train]\nepochs = 3\nseed = 7\n")
    typed = {"train.seed": "8"}
    settings, origins = resolve_settings(ImageSettings, presets=["images-128"], config=config, options=typed)
    assert (settings.train.epochs, settings.train.seed, settings.input.size) == (3, 8, 112)
    assert origins["train.seed"] == "option"
    assert origins["train.epochs"] == str(config)
    assert origins["input.size"] == "preset images-128, ours"


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("hide.probabilty", 0.5, "hide.probability"),
        ("hide.probability", 1.5, "from 0 to 1"),
        ("hide.size", "", "at least one size"),
        ("network.name", "resnet", "resnet50"),
        ("network.batch_norm", "maybe", "true or false"),
        ("train.learning_rate", "0.1 0.2", "one value a stage"),
        ("train.stages", "9 4 3 2", "must rise"),
        ("input.mean", "0.5", "three values, or none"),
        ("input.resize", 100, "input.size"),
    ],
)
def test_what_is_wrong_is_named(key: str, value: object, named: str):
    with pytest.raises(UsageError, match=named):
        ImageSettings().updated({key: value})


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(UsageError, match="ilsvrc"):
        ImageSettings.preset("ilsvcr")


def test_the_package_and_its_settings_do_not_import_torch():
    code = "import sys, thas.image_has, thas.image_has.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_otsu_brings_its_own_threshold_unless_one_is_given():
    assert ImageSettings().updated({"localize.scale": "otsu", "localize.threshold": 0.8}).localize.threshold == (0.8,)
    changed = ImageSettings().updated({"localize.scale": "otsu"})
    assert changed.localize.threshold == OTSU_THRESHOLDS
    assert changed.updated({"localize.scale": "otsu", "localize.refine": 3}).localize.threshold == OTSU_THRESHOLDS
    assert ImageSettings().updated({"localize.refine": 3}).localize.threshold == (0.2,)
    with pytest.raises(UsageError, match="must be below 1"):
        changed.updated({"localize.scale": "max"})


def test_ten_crops_need_room_and_a_preset_says_whose_its_values_are():
    with pytest.raises(UsageError, match="ten_crop needs"):
        ImageSettings.preset("image-demo").updated({"localize.ten_crop": True})
    origins = resolve_settings(ImageSettings, presets=["googlenet"])[1]
    assert origins["localize.threshold"] == "preset googlenet, paper"
    assert origins["train.epochs"] == "preset googlenet, unverified"
