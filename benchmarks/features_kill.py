"""Kill a whole extraction with SIGKILL at random moments and check all that it left.

    python benchmarks/features_kill.py [HOW OFTEN, 30 by default]

Each time every finished file is read whole and compared with an undisturbed run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from thas.features import FeatureCache
from thas.features.cache_tools import verify_cache

EXTRACT = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from thas.features import ExtractionSettings, extract_dataset
from thas.features.extract import Machines
folder, weights, out = map(Path, sys.argv[1:])
videos = {path.stem: path for path in sorted(folder.glob("*.mp4"))}
print("ready", flush=True)
settings, two = ExtractionSettings(stride_frames=2), Machines(workers=2)
extract_dataset(videos, out, settings=settings, weights=weights, machines=two)
"""


def make_videos(folder: Path, count: int) -> None:
    import av

    for number in range(count):
        with av.open(str(folder / f"v{number:03d}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
            stream.height, stream.width, stream.pix_fmt = 64, 64, "yuv420p"
            for i in range(120):
                noise = np.random.default_rng(1000 * number + i // 8).integers(0, 255, (64, 64, 3), np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
            container.mux(stream.encode(None))


def make_weights(path: Path) -> None:
    import json

    import torch
    from safetensors.torch import save_file

    from thas.features import C3D
    from thas.features.preprocessing import square

    network = C3D(width=8, input_size=64, depth=4, fc_width=256, classes=0, generator=torch.Generator().manual_seed(0))
    about = {"backbone": "c3d", "architecture": network.architecture, "preprocessing": square(64).to_dict()}
    save_file(network.state_dict(), str(path), metadata={"thas": json.dumps(about)})


def start(folder: Path, weights: Path, out: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", EXTRACT, folder, weights, out], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def main(kills: int = 30) -> None:
    draw = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "videos").mkdir()
        make_videos(root / "videos", 60)
        make_weights(root / "small.safetensors")
        begin = time.perf_counter()
        assert start(root / "videos", root / "small.safetensors", root / "whole").wait() == 0
        seconds = time.perf_counter() - begin
        reference = FeatureCache(root / "whole")
        round_, done, checked, restarts = 0, 0, 0, 0
        while round_ < kills:
            out = root / f"cache{restarts}"
            process = start(root / "videos", root / "small.safetensors", out)
            try:
                process.wait(float(draw.uniform(0.0, 0.25 * seconds)))
                restarts, done = restarts + 1, 0  # it came to its end: begin another cache
                continue
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            round_ += 1
            there = [path for path in out.glob("*.h5") if not path.name.startswith(".")]
            assert len(there) >= done, "a finished file is gone"
            done = len(there)
            if there:
                found = verify_cache(out)
                assert not found.faults, found.faults
                cache = FeatureCache(out)
                for video in cache:
                    checked += 1
                    np.testing.assert_array_equal(cache[video].data, reference[video].data)
            print(f"kill {round_}: {done} of {len(reference)} videos finished, all whole and right", flush=True)
        assert start(root / "videos", root / "small.safetensors", out).wait() == 0
        assert not list(out.glob(".unfinished*"))
        assert len(FeatureCache(out)) == len(reference)
        print(f"{kills} kills, {checked} files checked, nothing lost, the last run came to its end")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
