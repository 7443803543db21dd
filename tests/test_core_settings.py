from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thas.core.errors import UsageError
from thas.core.settings import (
    PRESETS_FOLDER,
    Settings,
    preset_names,
    preset_settings,
    preset_sources,
    read_preset,
    resolve_settings,
)
from thas.core.settings_table import flatten


def test_has2017_is_the_papers():
    settings, _ = resolve_settings(presets=["has2017"])
    assert settings.input.snippets == 2000
    assert settings.hide.probability == 0.5
    assert settings.input.snippets / settings.hide.segments == 100
    assert settings.network.head == "has2017"
    assert (settings.network.channels, settings.network.layers, settings.network.kernel_size) == (500, 2, 1)
    assert (settings.network.pooling, settings.train.loss) == ("max", "softmax")
    assert (settings.network.dropout, settings.input.normalise) == (0, "none")
    assert (settings.localize.threshold, settings.localize.threshold_rule) == ((0.5,), "max")
    assert (settings.localize.upsample, settings.localize.nms) == (1, "none")


def test_the_preset_attention_is_the_default():
    assert resolve_settings(presets=["attention"])[0] == Settings()
    over, _ = resolve_settings(data_preset="demo", presets=["attention"])
    assert (over.network, over.train) == (Settings().network, Settings().train)


def test_a_preset_holds_what_differs_from_the_one_it_extends():
    demo, paper = read_preset("demo"), read_preset("has2017")
    assert demo["network"] == paper["network"]
    assert (demo["train"]["epochs"], demo["train"]["loss"]) == (60, "softmax")
    assert "data" not in paper


def test_has2017_and_video_full_differ_in_hiding_alone():
    one, _ = resolve_settings(presets=["has2017"])
    other, _ = resolve_settings(presets=["video-full"])
    assert {key for key in one.flat() if one.flat()[key] != other.flat()[key]} == {"hide.probability"}
    assert one.localize.labels == "known"


def test_precedence(tmp_path):
    config = tmp_path / "mine.toml"
    config.write_text("[hide]\nprobability = 0.25\nsegments = 7\n")
    settings, origins = resolve_settings(presets=["video-full"], config=config, options={"hide.segments": "9"})
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
        ("hide.probability", 1.5, "from 0 to 1"),
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


def test_every_preset_holds_known_settings_only():
    assert {"has2017", "video-full", "thumos14", "demo", "activitynet-1.2", "activitynet-1.3"} <= set(preset_names())
    for name in preset_names():
        resolve_settings(presets=[name])


def test_every_value_of_a_preset_says_whose_it_is():
    descriptions, defaults = Settings.descriptions(), Settings().flat()
    for name in preset_names():
        sources, values = preset_sources(name), preset_settings(name)
        assert set(sources) == set(values)
        assert set(sources.values()) <= {"paper", "unverified", "ours"}
        named = tomllib.loads((PRESETS_FOLDER / f"{name}.toml").read_text()).get("sources", {})
        assert {key for keys in named.values() for key in keys} <= set(values), "of no value"
        for key, value in resolve_settings(presets=[name])[0].flat().items():
            if key in sources and value == defaults[key]:
                assert sources[key] == descriptions[key].source, f"{name}: {key} is the default, and so its source"
    assert preset_sources("has2017")["train.epochs"] == "ours"
    assert preset_sources("has2017")["localize.labels"] == "paper"
    assert preset_sources("has")["localize.labels"] == "ours", "what it changes is not the paper's"
    assert preset_sources("has")["network.channels"] == "unverified", "what it takes over is"


def test_printed_settings_say_the_presets_sources():
    settings, origins = resolve_settings(presets=["has2017"], options={"train.epochs": 3})
    printed = settings.to_toml(origins)
    for key, told in (
        ("normalise", "(preset has2017, paper)"),
        ("channels", "(preset has2017, unverified)"),
        ("epochs", "(option)"),
        ("patience", "(default, ours)"),
    ):
        assert next(line for line in printed.splitlines() if line.startswith(f"{key} =")).endswith(told)


def test_an_unknown_preset_or_file_is_named(tmp_path):
    with pytest.raises(UsageError, match="there is no preset 'has2018'"):
        read_preset("has2018")
    with pytest.raises(UsageError, match="there is no settings file"):
        resolve_settings(config=tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("= 3")
    with pytest.raises(UsageError, match="not a TOML file"):
        resolve_settings(config=tmp_path / "bad.toml")


@given(st.sampled_from(sorted(Settings.descriptions())))
def test_every_default_is_documented_and_accepted(key):
    description = Settings.descriptions()[key]
    assert description.doc
    assert description.source in {"paper", "unverified", "ours"}
    value = Settings().flat()[key]
    assert Settings().updated({key: value}).flat()[key] == value


def test_a_value_that_code_changed_is_not_called_the_default_of_the_paper():
    lines = Settings().updated({"hide.probability": 0.25}).to_toml().splitlines()
    assert any(line.startswith("probability = 0.25") and line.endswith("(given in code)") for line in lines)
    assert any(line.startswith("epochs") and "(default, " in line for line in lines)
