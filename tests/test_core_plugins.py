"""Parts of one's own: what may be imported, what is said where one is missing, and that each kind goes all the way."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from thas.cli import run
from thas.core import plugin_imports, plugins
from thas.core.errors import CheckpointError, UsageError
from thas.core.settings_table import read_toml
from thas.datasets.opening import open_dataset
from thas.image_has.datasets import open_images
from thas.image_has.demo import make_demo_images
from thas.image_has.network import build_network
from thas.image_has.settings import NetworkSettings as ImageNetworkSettings
from thas.temporal_has import heads as temporal_heads
from thas.temporal_has.losses import get_loss
from thas.temporal_has.settings import NetworkSettings, Settings

from .own_parts import HEAD, LOSS, NETWORK, READER
from .sweep_data import planted_dataset
from .warm import run_warm

FAST = ["--set", "network.channels=16", "train.epochs=3", "train.learning_rate=0.01", "--device", "cpu"]


@pytest.fixture
def outside(tmp_path, monkeypatch) -> Path:
    """A working folder, and another folder on the path with modules of one's own, which nobody has named yet."""
    monkeypatch.setenv(plugin_imports.ENVIRONMENT, "")
    modules = tmp_path / "modules"
    modules.mkdir()
    texts = {"own_head": HEAD, "own_loss": LOSS, "own_network": NETWORK, "own_reader": READER}
    for name, text in {**texts, "own_broken": "raise RuntimeError('boom')\n"}.items():
        (modules / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(modules))
    monkeypatch.chdir(tmp_path)
    yield modules
    forget()


def forget() -> None:
    """As a new process begins: nothing of one's own is imported or registered."""
    for name in [name for name in sys.modules if name.startswith("own_")]:
        sys.modules.pop(name, None)
    for parts in plugins._registered.values():
        parts.pop("own", None)


def test_a_head_and_a_loss_of_ones_own_go_the_whole_way(outside, capsys):
    planted_dataset(Path("mine"), videos=9)
    own = ["--head", "own_head:Wide", "--loss", "own_loss:focal"]
    assert run(["train", "--dataset", "mine", *own, *FAST, "--epochs", "2"]) == 0
    kept = read_toml(Path("runs/latest/settings.toml"))
    assert kept["network"]["head"] == "own_head:Wide"
    assert kept["plugins"]["train.loss"] == {"kind": "losses", "name": "own_loss:focal", "module": "own_loss:focal"}
    # From here on, files name the parts: nobody is to get them imported unless somebody names them.
    os.environ[plugin_imports.ENVIRONMENT] = ""
    capsys.readouterr()
    assert run(["train", "--dataset", "mine", "--resume", "--epochs", "3"]) == 1
    told = capsys.readouterr().err
    assert "settings.toml needs the head own_head:Wide" in told
    assert "--plugin own_head:Wide --plugin own_loss:focal" in told, "all that is missing at once"
    again = ["train", "--dataset", "mine", "--resume", "--epochs", "3", "--plugin", "own_loss:focal"]
    assert run([*again, "--head", "own_head:Wide"]) == 0
    assert len(Path("runs/latest/log.jsonl").read_text().splitlines()) == 3
    os.environ[plugin_imports.ENVIRONMENT] = ""
    assert run(["localize", "--out", "found"]) == 1, "nobody named them"
    named = ["--plugin", "own_head:Wide", "--plugin", "own_loss:focal"]
    path = {"PYTHONPATH": os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(outside)])}
    done = run_warm("thas", "localize", "--out", "found", *named, env={**os.environ, **path})
    assert done.returncode == 0, done.stderr
    assert json.loads(Path("found/detections.json").read_text())["results"].keys()
    assert run(["eval", "--iou", "0.1", "--json", *named]) == 0
    capsys.readouterr()
    sweep = ["sweep", "--dataset", "mine", "--set", "network.head=attention,own_head:Wide", *FAST[1:4], "train.seed=3"]
    assert run([*sweep, "--seeds", "1", "--draws", "20", "--workers", "1", "--json"]) == 0
    arms = json.loads(capsys.readouterr().out)["arms"]
    assert [arm["label"] for arm in arms] == ["network.head=attention", "network.head=own_head:Wide"]


def test_a_network_of_ones_own_for_images_goes_the_whole_way(outside, capsys):
    make_demo_images(Path("creatures"), training=4, testing=2)
    train = ["image", "train", "--dataset", "creatures", "--preset", "image-demo", "--device", "cpu"]
    assert run([*train, "--epochs", "1", "--network", "own_network:tiny", "--set", "network.width=0.5"]) == 0
    os.environ[plugin_imports.ENVIRONMENT] = ""
    capsys.readouterr()
    assert run(["image", "eval"]) == 1
    assert "needs the network own_network:tiny" in capsys.readouterr().err
    named = ["--plugin", "own_network:tiny"]
    assert run([*train, "--epochs", "2", "--resume", "--network", "own_network:tiny"]) == 0
    assert len(Path("runs/image/latest/log.jsonl").read_text().splitlines()) == 2
    photograph = next(Path("creatures/val").glob("*/*"))
    forget()
    os.environ[plugin_imports.ENVIRONMENT] = ""
    assert run(["image", "localize", str(photograph), "--output", "found", *named]) == 0
    assert "own_network" in sys.modules
    assert json.loads(Path("found/boxes.json").read_text())["images"][0]["boxes"]
    capsys.readouterr()
    assert run(["image", "eval", "--json", *named]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 8
    sweep = ["image", "sweep", "--dataset", "creatures", "--preset", "image-demo", "--seeds", "1", "--draws", "20"]
    arms = ["--set", "network.name=small,own_network:tiny", "train.epochs=1", "--workers", "1", "--json"]
    assert run([*sweep, *arms]) == 0
    assert len(json.loads(capsys.readouterr().out)["arms"]) == 2


def test_a_reader_of_ones_own_opens_a_data_set(outside, capsys):
    planted_dataset(Path("data/planted"), videos=9)
    own = ["--dataset", "own_reader:planted"]
    assert run(["train", *own, *FAST]) == 0
    assert read_toml(Path("runs/latest/settings.toml"))["data"]["dataset"] == "own_reader:planted"
    os.environ[plugin_imports.ENVIRONMENT] = ""
    capsys.readouterr()
    assert run(["localize", "--out", "found"]) == 2
    assert "the reader of data sets own_reader:planted does not come with thas" in capsys.readouterr().err
    assert run(["localize", "--out", "found", "--plugin", "own_reader:planted"]) == 0
    assert run(["eval", "--iou", "0.1", "--plugin", "own_reader:planted"]) == 0
    os.environ[plugin_imports.ENVIRONMENT] = "math:sqrt json:dumps"
    for name in ("math:sqrt", "json:dumps"):
        with pytest.raises(UsageError, match=f"{name} is no reader of data sets"):
            open_dataset(name)
        with pytest.raises(UsageError, match=f"{name} is no reader of"):
            open_images(name)


def test_a_network_that_gives_no_maps_is_named(outside):
    os.environ[plugin_imports.ENVIRONMENT] = "own_network:flat own_network:torn math:pi"
    for name, says in (("own_network:flat", "must give maps"), ("own_network:torn", "torn"), ("math:pi", "be called")):
        with pytest.raises(UsageError, match=f"{name} is no network") as caught:
            build_network(ImageNetworkSettings(name=name), classes=3, seed=0)
        assert says in caught.value.why


def test_training_with_a_plain_head_repeats_itself(outside):
    import torch

    plugin_imports.trust("own_head:Wide")
    settings = NetworkSettings(head="own_head:Wide", channels=8)
    head = temporal_heads.build_head(4, 3, settings, seed=5)
    other = temporal_heads.build_head(4, 3, settings, seed=5)
    assert all(torch.equal(a, b) for a, b in zip(head.parameters(), other.parameters(), strict=True))
    assert head.state_dict()["network.look.weight"].shape == (8, 4, 3), "network.channels is its parameter `channels`"
    x, valid = torch.rand(2, 6, 4), torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    chance = temporal_heads.Chance(seeds=[7, 8])
    before = torch.random.get_rng_state()
    first, second = head(x, valid, chance), head(x, valid, chance)
    assert torch.equal(first.sequence, second.sequence)
    assert torch.equal(before, torch.random.get_rng_state())
    assert not torch.equal(first.sequence, head(x, valid, temporal_heads.Chance(seeds=[9, 8])).sequence)
    # Padding does not tell: alone, or beside a longer one, a video's logits are the same.
    head.eval()
    torch.testing.assert_close(head(x, valid).video_logits[1], head(x[1:, :4]).video_logits[0])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("attnetion", "did you mean 'attention'?"),
        ("own_head:Wide", "if you trust it"),
    ],
)
def test_a_part_that_nobody_brought_is_named(outside, name, says):
    with pytest.raises(UsageError, match=says.replace("?", r"\?")) as caught:
        plugins.load("heads", name)
    assert caught.value.why
    assert caught.value.next
    assert "own_head" not in sys.modules


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("own_head:Wyde", "did you mean 'Wide'?"),
        ("own_nowhere:Wide", "No module named 'own_nowhere'"),
        ("own_broken:Wide", "it raises on import: RuntimeError: boom"),
    ],
)
def test_a_part_that_cannot_be_imported_is_named_with_the_cause(outside, capsys, name, says):
    planted_dataset(Path("mine"), videos=9)
    assert run(["train", "--dataset", "mine", "--head", name]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert "next:" in told
    assert not list(Path("runs").glob("mine/*")), "nothing is left of it"


@pytest.mark.parametrize("kind", ["heads", "losses", "networks", "backbones", "datasets", "tracker"])
@pytest.mark.parametrize("typed", ["tyni", "Tiny", "tinny"])
def test_the_nearest_name_is_told_whatever_kind_of_part_a_module_lacks(outside, kind, typed):
    name = f"own_network:{typed}"
    plugin_imports.trust(name)
    with pytest.raises(UsageError) as caught:
        plugins.load(kind, name) if kind != "tracker" else plugin_imports.typed_attribute(name)
    assert caught.value.why == f"module own_network has no {typed}; did you mean 'tiny'?"


def test_what_is_no_head_or_loss_is_named(outside):
    import torch

    os.environ[plugin_imports.ENVIRONMENT] = "math:pi math:sqrt math:hypot json:dumps own_head:nn own_head:Wide"
    for name in ("math:pi", "math:sqrt", "own_head:nn"):
        with pytest.raises(UsageError, match=f"{name} is no head"):
            temporal_heads.build_head(4, 3, NetworkSettings(head=name))
    for other, why in (("own_head:Wide", "raises TypeError"), ("math:hypot", "called with")):
        with pytest.raises(UsageError, match=f"{other} is no loss") as caught:
            get_loss(other).losses(torch.zeros(2, 3), torch.zeros(2, 3))
        assert why in caught.value.why
    with pytest.raises(UsageError, match="math:pi is no loss"):
        get_loss("math:pi")


def test_what_a_head_or_loss_answers_is_checked(outside):
    import torch
    from torch import nn

    class Long(nn.Module):
        def forward(self, x):
            return x.repeat(1, 2, 1)

    class Torn(nn.Module):
        def forward(self, x):
            raise RuntimeError("torn")

    settings = NetworkSettings(head="mine")
    with pytest.raises(UsageError, match=r"its sequence must be \(1, 5, 3\), but is \(1, 10, 3\)"):
        temporal_heads.as_head(Long(), classes=3, settings=settings)(torch.zeros(1, 5, 3))
    with pytest.raises(UsageError, match=r"its forward fails on features .*: RuntimeError: torn"):
        temporal_heads.as_head(Torn(), classes=3, settings=settings)(torch.zeros(1, 5, 3))
    plugins.register("losses", "own", lambda logits, labels: logits.mean())
    with pytest.raises(UsageError, match=r"must give a number a video, \(2,\), but gave \(\)"):
        get_loss("own").losses(torch.zeros(2, 3), torch.zeros(2, 3))


def test_a_module_named_whole_registers_what_it_holds(outside, capsys):
    (outside / "own_registered.py").write_text(HEAD + "\nimport thas\n\nthas.register('heads', 'own', Wide)\n")
    planted_dataset(Path("mine"), videos=9)
    arguments = ["train", "--dataset", "mine", "--head", "own", *FAST]
    assert run(arguments) == 2
    assert "there is no head 'own'" in capsys.readouterr().err
    assert run([*arguments, "--plugin", "own_registered"]) == 0
    kept = read_toml(Path("runs/latest/settings.toml"))["plugins"]["network.head"]
    assert kept == {"kind": "heads", "name": "own", "module": "own_registered:Wide"}
    plugins._registered["heads"].pop("own")
    os.environ[plugin_imports.ENVIRONMENT] = ""
    capsys.readouterr()
    assert run(["eval"]) == 1
    told = capsys.readouterr().err
    assert "it was registered by own_registered:Wide" in told
    assert "--plugin own_registered" in told


def test_an_installed_package_brings_parts_by_entry_points(outside, capsys):
    info = outside / "own_package-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-package\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[thas.heads]\nwide = own_head:Wide\n")
    plugins._entry_points.cache_clear()
    try:
        assert "wide" in plugins.names("heads")
        assert "own_head" not in sys.modules, "it is known before it is imported"
        assert Settings().updated({"network.head": "wide"}).origins_of_parts()["network.head"]["package"] == (
            "own-package 1.2"
        )
        assert run(["list", "heads"]) == 0
        assert "wide: package own-package 1.2" in capsys.readouterr().out
        assert type(temporal_heads.build_head(4, 3, NetworkSettings(head="wide"))).__name__ == "PlainHead"
        remembered = Settings().updated({"network.head": "wide"}).origins_of_parts()
    finally:
        (info / "entry_points.txt").unlink()
        plugins._entry_points.cache_clear()
    with pytest.raises(CheckpointError, match=r"x needs the head wide") as caught:
        plugins.require(remembered, path="x")
    assert caught.value.next == "pip install 'own-package==1.2'"


@pytest.mark.parametrize("how", ["config", "preset", "set"])
def test_a_settings_file_of_a_stranger_imports_nothing(outside, capsys, how):
    planted_dataset(Path("mine"), videos=9)
    Path("theirs.toml").write_text('[network]\nhead = "own_broken:Head"\n')
    given = {"config": ["--config", "theirs.toml"], "preset": ["--preset", "theirs.toml"]}
    given["set"] = ["--set", "network.head=own_broken:Head"]
    assert run(["train", "--dataset", "mine", *FAST, *given[how]]) == 2
    told = capsys.readouterr().err
    if how == "config":
        assert "the head own_broken:Head does not come with thas" in told
        assert "--plugin own_broken:Head" in told
    else:
        assert "boom" in told, "a preset that somebody names, and an option, are their own words"


def test_plugin_names_a_module(capsys):
    assert run(["list", "heads", "--plugin"]) == 2
    assert run(["list", "heads", "--plugin", "mine/head.py"]) == 2
    assert "is no plug-in" in capsys.readouterr().err
    with pytest.raises(UsageError, match="attention is a head of thas itself"):
        plugins.register("heads", "attention", object())
    with pytest.raises(UsageError, match="did you mean 'heads'"):
        plugins.register("head", "mine", object())  # type: ignore[call-overload]
