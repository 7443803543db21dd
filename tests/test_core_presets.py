from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thas.core.errors import UsageError
from thas.core.presets import (
    PRESETS_FOLDER,
    preset_names,
    preset_table,
    read_preset,
    resolve_settings,
)
from thas.core.settings_table import flatten
from thas.image_has.settings import ImageSettings
from thas.temporal_has.settings import Settings


def test_has2017_is_the_papers():
    settings, _ = resolve_settings(Settings, presets=["has2017"])
    assert settings.input.snippets == 2000
    assert settings.hide.probability == 0.5
    assert settings.input.snippets / settings.hide.segments == 100
    assert settings.network.head == "has2017"
    assert (settings.network.channels, settings.network.layers, settings.network.kernel_size) == (500, 2, 1)
    assert (settings.network.pooling, settings.train.loss) == ("max", "softmax")
    assert (settings.network.dropout, settings.input.normalise) == (0, "none")
    assert (settings.localize.threshold, settings.localize.threshold_rule) == ((0.5,), "max")
    assert (settings.localize.upsample, settings.localize.nms) == (1, "none")


def test_the_preset_auto_is_the_default():
    assert resolve_settings(Settings, presets=["auto"])[0] == Settings()
    over, _ = resolve_settings(Settings, data_preset="demo", presets=["auto"])
    assert (over.network, over.train) == (Settings().network, Settings().train)
    assert replace(over.localize, gap_seconds=0.0) == Settings().localize, "the gap is the demo's"


def test_a_data_sets_preset_holds_tables_for_other_commands():
    assert preset_table("demo", "backbone")["epochs"] > 0
    assert preset_table("thumos14", "features")
    assert preset_table("demo", "nothing") == {}
    assert preset_table("my_videos", "features") == {}, "a folder of one's own has no preset"


def test_presets_of_methods_do_not_move_with_the_defaults():
    """What their figures in benchmarks/temporal.md were measured with, where it is not the default any more."""
    of = {name: resolve_settings(Settings, presets=[name])[0] for name in ("has2017", "video-full", "has", "attention")}
    for settings in of.values():
        assert (settings.train.loss, settings.localize.class_threshold) == ("softmax", 0.1)
        assert not settings.localize.squash
        assert settings.localize.probability_power == 1
        assert settings.localize.detections == 0
        assert settings.input.normalise != "auto"
    for name in ("has", "attention"):
        rules = of[name].localize
        assert rules.threshold == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
        assert (rules.margin, rules.nms, rules.nms_sigma) == (0.25, "soft", 0.5)
    attention = of["attention"]
    assert (attention.hide.probability, attention.hide.segments, attention.network.kernel_most) == (0.5, 20, 0)


def test_a_preset_holds_what_differs_from_the_one_it_extends():
    demo, paper = read_preset("demo"), read_preset("has2017")
    network = {key: value for key, value in paper.settings.items() if key.startswith("network.")}
    assert network
    assert network.items() <= demo.settings.items()
    assert (demo.settings["train.epochs"], demo.settings["train.loss"]) == (60, "softmax")
    assert "data" in demo.tables
    assert "data" not in paper.tables


def test_has2017_and_video_full_differ_in_hiding_alone():
    one, _ = resolve_settings(Settings, presets=["has2017"])
    other, _ = resolve_settings(Settings, presets=["video-full"])
    assert {key for key in one.flat() if one.flat()[key] != other.flat()[key]} == {"hide.probability"}
    assert one.localize.labels == "known"


def test_precedence(tmp_path):
    config = tmp_path / "mine.toml"
    config.write_text("[hide]\nprobability = 0.25\nsegments = 7\n")
    typed = {"hide.segments": "9"}
    settings, origins = resolve_settings(Settings, presets=["video-full"], config=config, options=typed)
    assert (settings.hide.probability, settings.hide.segments) == (0.25, 9)
    assert origins["hide.segments"] == "option"
    assert origins["hide.probability"] == str(config)
    assert origins["localize.labels"] == "preset video-full, paper"


def test_printed_settings_can_be_fed_back():
    settings = Settings().updated({"localize.threshold": "0.3,0.5", "hide.size": [4, 8], "train.device": 'a"b'})
    assert Settings().updated(flatten(tomllib.loads(settings.to_toml()))) == settings


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("hide.probabilty", 1, "did you mean 'hide.probability'?"),
        ("hide", 1, "there is no setting 'hide'"),
        ("hide.probability", 1.5, "from -1 to 1"),
        ("hide.probability", "much", "a number"),
        ("hide.probability", float("nan"), "a number"),
        ("train.epochs", 1.5, "a whole number"),
        ("train.epochs", True, "a whole number"),
        ("train.epochs", 0, "1 or more"),
        ("train.loss", "hinge", "one of sigmoid, softmax"),
        ("localize.threshold", [0.5, 2], "from 0 to 1"),
    ],
)
def test_a_wrong_setting_is_named(key, value, says):
    with pytest.raises(UsageError) as caught:
        Settings().updated({key: value})
    assert says in str(caught.value)
    assert caught.value.subject == key


TABLES = {"temporal": Settings, "image": ImageSettings}


def test_every_preset_says_its_kind_and_holds_known_settings_only():
    assert {"has2017", "video-full", "thumos14", "demo", "activitynet-1.2"} <= set(preset_names("temporal"))
    assert preset_names("image") == ["finetune", "finetune-has", "googlenet", "ilsvrc", "image-demo", "images-128"]
    assert set(preset_names("temporal")) | set(preset_names("image")) == set(preset_names())
    for name in preset_names():
        kind = read_preset(name).kind
        assert kind is not None
        resolve_settings(TABLES[kind], presets=[name])


def test_every_value_of_a_preset_says_whose_it_is():
    for name in preset_names():
        preset = read_preset(name)
        table = TABLES[str(preset.kind)]
        descriptions, defaults = table.descriptions(), table().flat()
        sources, values = preset.sources, preset.settings
        assert set(sources) == set(values)
        assert set(sources.values()) <= {"paper", "unverified", "ours"}
        named = tomllib.loads((PRESETS_FOLDER / f"{name}.toml").read_text()).get("sources", {})
        assert {key for keys in named.values() for key in keys} <= set(values), "of no value"
        for key, value in resolve_settings(table, presets=[name])[0].flat().items():
            baseline = (name, key) == ("video-full", "hide.probability")  # hides nothing, as we do, for another reason
            if key in sources and value == defaults[key] and not baseline:
                assert sources[key] == descriptions[key].source, f"{name}: {key} is the default, and so its source"
    assert read_preset("has2017").sources["train.epochs"] == "ours"
    assert read_preset("has2017").sources["localize.labels"] == "paper"
    assert read_preset("has").sources["localize.labels"] == "ours", "what it changes is not the paper's"
    assert read_preset("has").sources["network.channels"] == "unverified", "what it takes over is"


def test_printed_settings_say_the_presets_sources():
    settings, origins = resolve_settings(Settings, presets=["has2017"], options={"train.epochs": 3})
    printed = settings.to_toml(origins)
    for key, told in (
        ("normalise", "(preset has2017, paper)"),
        ("channels", "(preset has2017, unverified)"),
        ("epochs", "(option)"),
        ("patience", "(default, ours)"),
    ):
        assert next(line for line in printed.splitlines() if line.startswith(f"{key} =")).endswith(told)


def test_a_preset_can_be_a_file_that_extends_another(tmp_path):
    (tmp_path / "base.toml").write_text('extends = "has2017"\n[hide]\nsegments = 7\n')
    mine = tmp_path / "mine.toml"
    mine.write_text('extends = "base.toml"\n[train]\nepochs = 3\n[sources]\npaper = ["train.epochs"]\n')
    settings, origins = resolve_settings(Settings, presets=["attention", str(mine)])
    assert (settings.hide.segments, settings.train.epochs, settings.network.head) == (7, 3, "has2017")
    assert origins["train.epochs"] == f"preset {mine}, paper"
    assert origins["hide.segments"] == f"preset {mine}", "whose it is, its file does not say"
    assert origins["hide.fill"] == f"preset {mine}, paper", "as the one it extends says"
    assert origins["localize.margin"] == "preset attention, ours"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("= 3", "not a TOML file"),
        ("[hide]\nprobabilty = 1\n", "did you mean 'hide.probability'?"),
        ("epochs = 1\n", "did you mean 'train.epochs'?"),
        ('kind = "video"\n', 'kind must be "temporal" or "image"'),
        ('extends = "has2018"\n', "did you mean 'has2017'?"),
        ("extends = 3\n", "extends must be"),
        ('extends = "mine.toml"\n', "it extends itself"),
        ('kind = "temporal"\nextends = "googlenet"\n', "it is for videos and cannot extend one for images"),
        ('[sources]\npaper = "train.epochs"\n', "must list settings"),
        ("sources = 3\n", "must list settings"),
        ("data = 3\n", "data must be a table"),
        ('extends = "images-128"\n', "holds settings for images"),
    ],
)
@pytest.mark.parametrize("how", ["preset", "config"])
def test_a_file_that_is_no_preset_is_named_with_its_fault(tmp_path, text, says, how):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        resolve_settings(Settings, **({"presets": [str(path)]} if how == "preset" else {"config": path}))
    assert says in str(caught.value)
    assert str(path) in caught.value.what
    assert caught.value.next


@pytest.mark.parametrize(
    ("table", "name", "says"),
    [
        (Settings, "has2018", "there is no preset 'has2018'\nwhy:  did you mean 'has2017'?"),
        (Settings, "images-128", "images-128 holds settings for images"),
        (Settings, "none/mine.toml", "there is no settings file none/mine.toml"),
        (ImageSettings, "ilsvcr", "there is no image preset 'ilsvcr'\nwhy:  did you mean 'ilsvrc'?"),
        (ImageSettings, "demo", "demo holds settings for videos\nwhy:  those for images are wanted here"),
    ],
)
def test_a_preset_that_is_not_there_or_of_the_other_half_is_named(table, name, says):
    with pytest.raises(UsageError) as caught:
        resolve_settings(table, presets=[name])
    assert says in str(caught.value)
    assert caught.value.next


@pytest.mark.parametrize("table", [Settings, ImageSettings])
def test_what_a_run_says_to_others_is_no_setting(table, tmp_path):
    before = f'kind = "{table.kind}"\n[data]\ndataset = "x"\n[features]\nstride_frames = 4\n[backbone]\nwidth = 8\n'
    (tmp_path / "settings.toml").write_text(before + table().updated({"train.epochs": 3}).to_toml())
    settings, origins = resolve_settings(table, config=tmp_path / "settings.toml")
    assert settings == table().updated({"train.epochs": 3})
    assert set(origins.values()) == {str(tmp_path / "settings.toml")}


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match="there is no settings file"):
        resolve_settings(Settings, config=tmp_path / "none.toml")


@given(st.sampled_from(sorted(Settings.descriptions())))
def test_every_default_is_documented_and_accepted(key):
    description = Settings.descriptions()[key]
    assert description.doc
    assert description.source in {"paper", "unverified", "ours"}
    value = Settings().flat()[key]
    assert Settings().updated({key: value}).flat()[key] == value


def test_a_value_that_code_changed_is_not_called_the_default_of_the_paper():
    lines = Settings().updated({"hide.probability": 0.25}).to_toml().splitlines()
    assert all(f"{word}: " in " ".join(lines[:2]) for word in ("paper", "unverified", "ours"))
    assert any(line.startswith("probability = 0.25") and line.endswith("(given in code)") for line in lines)
    assert any(line.startswith("epochs") and "(default, " in line for line in lines)
