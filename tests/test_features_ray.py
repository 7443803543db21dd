from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from thas.core.errors import Failure, FeatureError, UsageError
from thas.core.messages import collected
from thas.features import FeatureCache
from thas.features.backbones import Backbone, register
from thas.features.c3d import C3D
from thas.features.dispatch import Desk, News
from thas.features.extract import BackboneWeights, ExtractionSettings, Machines, extract_dataset
from thas.features.preprocessing import square
from thas.features.ray_actor import Terms

from .video_files import write_video

SMALL = {"width": 2, "input_size": 16, "clip_frames": 8, "depth": 2, "fc_width": 6, "classes": 0}
DENSE = ExtractionSettings(backbone="gated", stride_frames=4)
DRAWN = BackboneWeights(random_weights=True)
VIDEOS = 36  # more than one machine takes before it stops at the gate


def _desk(count: int) -> Desk:
    return Desk([(f"v{i}", Path(f"v{i}.mp4")) for i in range(count)])


def _names(chunk) -> list[str]:
    return [video for video, _ in chunk]


def test_chunks_grow_small_towards_the_end():
    desk = _desk(20)
    assert len(desk.take(1, most=4)) == 4
    sizes = []
    while chunk := desk.take(len(sizes) % 2 + 1, most=4):
        sizes.append(len(chunk))
    assert sum(sizes) == 16
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1


def test_what_a_lost_one_had_is_handed_out_next_and_it_is_not_heard_any_more():
    desk = _desk(9)
    assert _names(desk.take(1, most=3)) == ["v0", "v1", "v2"]
    assert _names(desk.take(2, most=1)) == ["v3"]
    desk.tell(1, News(done=["v0"], shares=1.5))
    desk.tell(1, News(failed=[Failure("v2", "open", "no")]))
    assert desk.dismiss(1) == ["v1"]
    desk.tell(1, News(done=["v1"]))
    assert desk.take(1, most=3) == []
    desk.put_back([("v1", Path("v1.mp4"))])
    told, waiting = desk.news()
    assert [news.done for _, news in told] == [["v0"], []]
    assert waiting == 6
    assert _names(desk.take(2, most=2)) == ["v1", "v4"]
    assert desk.news() == ([], 4)


def test_machines_that_do_not_share_the_folder_are_told_apart(tmp_path, monkeypatch):
    import thas
    from thas.features import ray_actor

    monkeypatch.setattr(ray_actor, "_PATIENCE_SECONDS", 0.0)
    proof = tmp_path / "proof"
    assert "not the same folder" in Terms(thas.__version__, proof, None).refusal()
    proof.touch()
    assert Terms(thas.__version__, proof, None).refusal() == ""
    assert "no such video" in Terms(thas.__version__, proof, tmp_path / "v.mp4").refusal()
    assert "it has thas" in Terms("0.0", proof, None).refusal()


def test_without_ray_three_lines_say_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match="not installed") as caught:
        extract_dataset({}, tmp_path, machines=Machines(engine="ray"))
    assert caught.value.next == "pip install ray"


def test_an_address_needs_the_engine(tmp_path):
    with pytest.raises(UsageError, match="of a Ray cluster"):
        extract_dataset({}, tmp_path, machines=Machines(address="auto"))


def test_arguments_that_do_not_go_with_ray(tmp_path):
    pytest.importorskip("ray")
    for arguments in ({"device": "cuda:1"}, {"address": "ray://head:10001"}):
        with pytest.raises(UsageError):
            extract_dataset({}, tmp_path, machines=Machines(engine="ray", **arguments))


# What follows needs Ray, and fails where Ray is installed and does not start.


def _small_c3d() -> C3D:
    return C3D(**SMALL, generator=torch.Generator().manual_seed(1))


def _gated(gate: Path):
    """A small C3D that stops before its fifth batch while there is a gate, and says so."""

    # Made inside a function, so that Ray sends the class itself: the machines do not have this file.
    class Gated(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.c3d = _small_c3d()
            self.batches = 0

        def forward(self, clips):
            self.batches += int(clips.min() != clips.max())  # the empty ones are of the estimate
            while self.batches > 4 and gate.exists():
                (gate.parent / f"waits-{os.getpid()}").touch()
                time.sleep(0.05)
            return self.c3d.extract(clips, "fc7")

    return Gated()


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    return {
        f"v{i:02d}": write_video(folder / f"v{i:02d}.mp4", 20 + i % 9, size=(32, 48), fps=10) for i in range(VIDEOS)
    }


@pytest.fixture
def cluster(monkeypatch):
    """Two machines, as Ray sees it: one core each."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # a busy machine starves nice processes
    size = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 80 << 20, "include_dashboard": False}
    two = Cluster()
    try:
        for attempt in range(3):  # Ray gives up on a machine that is so busy that nothing starts within 30 s
            try:
                if two.head_node is None:
                    two.add_node(**size)
                two.second = two.add_node(**size)
                break
            except Exception:
                if attempt == 2:
                    raise
        yield two
    finally:
        ray.shutdown()
        two.shutdown()


def _alive(process: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.h5"))}


def test_a_machine_is_lost_half_way_and_every_video_is_there_once(tmp_path, videos, cluster, capsys):
    gate = tmp_path / "gate"
    build = lambda layer: _gated(gate)  # noqa: E731
    register(Backbone("gated", 6, 8, 1, square(16), licence="", origin="", build=build))
    gate.touch()
    seen = []

    def lose_a_machine() -> None:
        deadline = time.monotonic() + 60  # what was computed before is still being written for a moment
        while len(list(tmp_path.glob("waits-*"))) < 2 or (
            len(list((tmp_path / "cluster").glob("[!.]*"))) < 2 and time.monotonic() < deadline
        ):
            time.sleep(0.05)
        seen.extend(path.name for path in (tmp_path / "cluster").iterdir())
        working = [int(path.name.removeprefix("waits-")) for path in tmp_path.glob("waits-*")]
        cluster.remove_node(cluster.second, allow_graceful=False)
        # Its extractor outlives the machine by a moment, in which it could finish its work behind an open gate.
        while all(_alive(process) for process in working):
            time.sleep(0.05)
        gate.unlink()

    thread = threading.Thread(target=lose_a_machine, daemon=True)
    thread.start()
    shares, estimates = [], []
    with collected() as warnings:
        result = extract_dataset(
            videos,
            tmp_path / "cluster",
            settings=DENSE,
            weights=DRAWN,
            machines=Machines(engine="ray", address=cluster.address),
            progress=shares.append,
            announce=estimates.append,
        )
    thread.join(timeout=10)

    finished = [name for name in seen if not name.startswith(".")]
    assert 2 <= len(finished) < VIDEOS
    assert any(name.startswith(".unfinished") and "-v" in name for name in seen)
    assert (result.done, result.skipped, result.failed) == (tuple(videos), (), ())
    assert sum(shares) == pytest.approx(VIDEOS)
    assert min(shares) >= 0
    if os.environ.get("RAY_AUTH_MODE") != "token":
        assert "asks for no token" in warnings.pop(0)
    assert len(warnings) == 1
    assert "was lost" in warnings[0]
    assert "will be done again" in warnings[0]
    assert len(estimates) == 1
    assert {path.name for path in (tmp_path / "cluster").iterdir()} == {f"{name}.h5" for name in videos}

    local = extract_dataset(videos, tmp_path / "local", settings=DENSE, weights=DRAWN)
    assert local.done == result.done
    assert _bytes(tmp_path / "cluster") == _bytes(tmp_path / "local")
    assert capsys.readouterr().out == ""
    assert FeatureCache(tmp_path / "cluster")["v03"].data.any()

    # The machine that is left goes on with other work: some is there already, some fails.
    from thas.cli import run

    bad = tmp_path / "bad.mp4"
    bad.write_bytes(np.random.default_rng(0).bytes(9999))
    pictures = tmp_path / "pictures"  # nothing says how many of them are a second
    pictures.mkdir()
    for number in range(12):
        Image.new("RGB", (48, 32), (number, 0, 0)).save(pictures / f"{number:03d}.png")
    weights = tmp_path / "small.safetensors"
    network = _small_c3d()
    about = {"backbone": "c3d", "architecture": network.architecture, "preprocessing": square(16).to_dict()}
    save_file(network.state_dict(), str(weights), metadata={"thas": json.dumps(about)})
    first, second = videos["v00"], videos["v01"]
    shared = ["--weights", str(weights), "--stride-frames", "4"]
    for name in ("one", "two"):
        assert run(["extract-features", str(first), "--out", str(tmp_path / name), *shared]) == 0
    capsys.readouterr()
    command = ["extract-features", str(first), str(second), str(bad), str(pictures), *shared, "--json"]
    printed = []
    for name, engine in (("one", ["--engine", "ray", "--address", cluster.address]), ("two", [])):
        assert run([*command, "--out", str(tmp_path / name), *engine]) == 3
        told = capsys.readouterr()
        assert "1 video failed: bad" in told.err
        assert "nothing says the frame rate of pictures: 25 frames a second were assumed" in " ".join(told.err.split())
        printed.append(json.loads(told.out) | {"folder": ""})
    assert printed[0] == printed[1]
    assert (printed[0]["skipped"], printed[0]["guessed"]) == (["v00"], ["pictures"])
    assert (tmp_path / "one" / "failed.csv").read_text() == (tmp_path / "two" / "failed.csv").read_text()
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "two")

    cluster.shutdown()
    processes = [int(path.name.partition("-")[2]) for path in tmp_path.glob("waits-*")]
    until = time.monotonic() + 15
    while any(map(_alive, processes)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(_alive, processes))


def test_an_address_where_nobody_answers(tmp_path, videos):
    pytest.importorskip("ray")
    register(Backbone("small", 6, 8, 1, square(16), licence="", origin="", build=lambda layer: _small_c3d()))
    small = ExtractionSettings(backbone="small")
    with pytest.raises(FeatureError, match=r"no Ray cluster at 127\.0\.0\.1:9") as caught:
        extract_dataset(
            videos, tmp_path, settings=small, weights=DRAWN, machines=Machines(engine="ray", address="127.0.0.1:9")
        )
    assert "ray start --head" in caught.value.next
    assert list(tmp_path.iterdir()) == []
