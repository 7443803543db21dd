from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thas.core.errors import UsageError
from thas.core.presets import resolve_settings
from thas.image_has.settings import ImageSettings
from thas.sweep.plan import (
    Arm,
    Experiment,
    experiment_names,
    find_experiment,
    parse_options,
    read_experiment,
    shown,
    split_values,
)
from thas.temporal_has.settings import Settings


def test_values_are_divided_by_commas_and_lists_stand_in_brackets():
    assert split_values("0,0.25, 0.5") == ["0", "0.25", "0.5"]
    assert split_values("[5,10],[0,5,10],5") == [["5", "10"], ["0", "5", "10"], "5"]
    assert split_values("max") == ["max"]
    assert split_values("[]") == [[]]
    sizes = [Settings().updated({"hide.size": value}).hide.size for value in split_values("[5,10],[0, 5,10],5,[]")]
    assert sizes == [(5, 10), (0, 5, 10), (5,), ()]


@pytest.mark.parametrize("text", ["", "1,,2", "[1,2", "1]", "[[1]]", "[1]2", "a[1]", "[1][2]", "1,"])
def test_what_is_no_list_of_values_is_refused(text):
    with pytest.raises(UsageError, match="is not a list of values"):
        split_values(text)


@given(st.lists(st.one_of(st.integers(0, 99), st.lists(st.integers(0, 99), max_size=3)), min_size=1, max_size=5))
def test_what_is_shown_can_be_typed(values):
    typed = split_values(",".join(shown(value) for value in values))
    assert typed == [[str(one) for one in value] if isinstance(value, list) else str(value) for value in values]


def test_a_list_is_refused_where_a_number_is_meant():
    with pytest.raises(UsageError, match=r"hide\.probability must be a number"):
        Settings().updated({"hide.probability": split_values("[0,1]")[0]})


def test_several_settings_make_the_grid_of_all_combinations():
    options = parse_options(["hide.probability=0,0.5", "network.pooling=max,mean", "train.epochs=7"])
    experiment = Experiment("x").with_options(options)
    assert [arm.label for arm in experiment.all_arms()] == [
        "hide.probability=0, network.pooling=max",
        "hide.probability=0, network.pooling=mean",
        "hide.probability=0.5, network.pooling=max",
        "hide.probability=0.5, network.pooling=mean",
    ]
    assert experiment.settings == {"train.epochs": "7"}
    assert experiment.swept == ""
    assert Experiment("x").with_options(parse_options(["hide.probability=0,1"])).swept == "hide.probability"


def test_named_arms_meet_every_point_of_the_grid_and_ensembles_stay_within_it():
    arms = (Arm("full", {"hide.probability": 0}), Arm("hidden"), Arm("both", {}, ("full", "hidden"), ("hidden",)))
    experiment = Experiment("x", arms, grid={"network.pooling": ("max", "mean")})
    made = {arm.label: arm for arm in experiment.all_arms()}
    assert list(made)[:2] == ["full, network.pooling=max", "full, network.pooling=mean"]
    both = made["both, network.pooling=mean"]
    assert both.ensemble == ("full, network.pooling=mean", "hidden, network.pooling=mean")
    assert both.map_members == ("hidden, network.pooling=mean",)


def test_what_is_typed_replaces_the_grid_but_not_the_arms():
    experiment = Experiment("x", (Arm("full", {"hide.probability": 0}),), grid={"network.pooling": ("max", "mean")})
    assert experiment.with_options({"network.pooling": ["max"]}).grid == {}
    assert experiment.with_options({"network.pooling": ["mean", "max"]}).grid == {"network.pooling": ("mean", "max")}
    with pytest.raises(UsageError, match=r"hide\.probability is what the arms of x differ in"):
        experiment.with_options({"hide.probability": ["0.5"]})


WHOLE = """
title = "Hiding"
source = "a paper"
seeds = 5
reference = "full"
preset = "has2017"

[settings]
train.epochs = 10

[grid]
"network.pooling" = ["max", "mean"]

[arms.full]
hide.probability = 0

[arms."with, a comma"]
hide = { probability = 0.5, size = [0, 5] }

[arms.both]
ensemble = ["full", "with, a comma"]
"""


def test_an_experiment_is_read(tmp_path):
    path = tmp_path / "hiding.toml"
    path.write_text(WHOLE)
    found = read_experiment(path)
    assert (found.name, found.title, found.source, found.seeds) == ("hiding", "Hiding", "a paper", 5)
    assert (found.reference, found.presets, found.half) == ("full", ("has2017",), "temporal")
    assert found.settings == {"train.epochs": 10}
    assert found.grid == {"network.pooling": ("max", "mean")}
    assert found.arms[1] == Arm("with, a comma", {"hide.probability": 0.5, "hide.size": [0, 5]})
    assert found.arms[2].ensemble == ("full", "with, a comma")


@pytest.mark.parametrize(
    ("half", "presets", "key", "value"),
    [("temporal", '"video-full"', "hide.probability", 0.0), ("image", '["ilsvrc", "mine.toml"]', "train.epochs", 2)],
)
def test_an_arm_of_either_half_can_name_presets(tmp_path, half, presets, key, value):
    (tmp_path / "mine.toml").write_text('extends = "images-128"\n[train]\nepochs = 2\nseed = 5\n')
    path = tmp_path / "presets.toml"
    path.write_text(f'half = "{half}"\n[arms.one]\npreset = {presets}\ntrain.seed = 4\n[arms.other]\n')
    arm = read_experiment(path).arms[0]
    assert arm.values[key] == value
    assert arm.values["train.seed"] == 4, "what stands beside a preset goes over it"
    path.write_text(f'half = "{half}"\n[arms.one]\npreset = "{"images-128" if half == "temporal" else "has"}"\n')
    with pytest.raises(UsageError, match="holds settings for"):
        read_experiment(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("arm = 1", "an experiment has no 'arm'"),
        ("seeds = 0", "seeds must be a whole number"),
        ("seeds = true", "seeds must be a whole number"),
        ("half = 'audio'", "half must be temporal or image"),
        ("title = 'nothing'", "it compares nothing"),
        ("arms = [1]", "arms must be a table"),
        ("[grid]\nhide.probability = 0.5", "must be a list of values"),
        ("[grid]\nhide.probability = []", "must be a list of values"),
        ("[arms.a]\nensemble = ['b']", "'a' is made of 'b'"),
        ("[arms.a]\n[arms.b]\nensemble = ['a']\n[arms.c]\nensemble = ['b']", "'c' is made of 'b'"),
        ("[arms.a]\n[arms.b]\nensemble = ['a']\nmap_members = ['c']", "'b' is made of 'c'|among its ensemble"),
        ("[arms]\na = 3", "'a' must be a table"),
        ("= 3", "is not TOML|no TOML|TOML"),
    ],
)
def test_a_malformed_experiment_is_refused(tmp_path, text, message):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_experiment(path)


def test_an_unknown_experiment_is_named_with_the_nearest():
    with pytest.raises(UsageError, match="there is no experiment 'hide_probabilty'") as error:
        find_experiment("hide_probabilty")
    assert "hide_probability" in error.value.why


@pytest.mark.parametrize("name", experiment_names())
def test_every_experiment_that_comes_along_is_made_of_settings_there_are(name):
    found = read_experiment(find_experiment(name))
    base = resolve_settings(Settings if found.half == "temporal" else ImageSettings, presets=found.presets)[0]
    base = base.updated(found.settings)
    arms = found.all_arms()
    assert found.title
    assert found.source
    assert len({arm.label for arm in arms}) == len(arms) > 1
    assert not found.reference or found.reference in {arm.label for arm in arms}
    made = [base.updated(arm.values) for arm in arms if not arm.ensemble]
    assert len(set(made)) == len(made)  # no two arms are the same
