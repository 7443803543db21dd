"""Speed and memory of feature extraction, as ratios within one run.

    python benchmarks/features_speed.py network    C3D on one core: plain eager PyTorch, ours, and the core's sgemm rate
    python benchmarks/features_speed.py pipeline   a 4-minute 320x240 video: decoding alone, network alone, all of it
    python benchmarks/features_speed.py lengths    the same clips from one long video and from many short ones
    python benchmarks/features_speed.py memory     peak memory on a video of 3 minutes and on one of 3 hours
    python benchmarks/features_speed.py rerun      20,000 videos that are done already
    python benchmarks/features_speed.py gpu        the network on a GPU: precisions, against its bf16 matmul rate

Nothing else should run beside them. `pipeline` and `lengths` take a second argument, snippets of the full C3D (128),
`memory` the long one's minutes.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import torch
from torch import nn

from thas.features import C3D, ExtractionSettings, extract_dataset
from thas.features.clips import plan_clips
from thas.features.extract import BackboneWeights, Machines
from thas.features.pool import Clips, Decoding
from thas.features.runner import Runner
from thas.features.weights import load_backbone

GIGA_OPERATIONS = 77.1  # of C3D, a clip: 38.55 GMAC


def _weights(path: Path | str | None) -> BackboneWeights:
    return BackboneWeights(weights=path or None, random_weights=not path)


def best(run: Callable[[], object], times: int = 3, clock: Callable[[], float] = time.perf_counter) -> float:
    """The shortest of some runs, after one to warm up."""
    run()
    seconds = []
    for _ in range(times):
        begin = clock()
        run()
        seconds.append(clock() - begin)
    return min(seconds)


def plain_c3d() -> nn.Sequential:
    """C3D written down layer by layer, ReLU after each convolution, as one would without a thought of speed."""
    layers: list[nn.Module] = []
    channels = 3
    for block, widths in enumerate(((64,), (128,), (256, 256), (512, 512), (512, 512))):
        for width in widths:
            layers += [nn.Conv3d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        window = (1, 2, 2) if block == 0 else 2
        layers.append(nn.MaxPool3d(window, window, ceil_mode=True))
    layers += [nn.Flatten(), nn.Linear(8192, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU()]
    return nn.Sequential(*layers).eval()


def network() -> None:
    """C3D on one core; processor time, so that a neighbour disturbs less."""
    torch.set_num_threads(1)
    clock = time.process_time
    plain = plain_c3d()
    clips = torch.randn(8, 3, 16, 112, 112)
    with torch.no_grad():
        eager = best(lambda: plain(clips), 2, clock) / 8
    print(f"eager, batch 8            {eager:.3f} s a clip  {GIGA_OPERATIONS / eager:5.0f} GF/s   1.00 x", flush=True)
    matrix = torch.randn(3072, 3072)
    sgemm = 2 * 3072**3 / best(lambda: matrix @ matrix, 3, clock) / 1e9
    print(f"sgemm 3072                                {sgemm:5.0f} GF/s")
    frames = np.random.default_rng(0).integers(0, 256, (8, 16, 112, 112, 3), np.uint8)
    for batch in (1, 2, 4, 8):
        with Runner(load_backbone(random_weights=True), device="cpu", batch=batch) as runner:
            ours = best(lambda: runner(frames[:batch]), 2, clock) / batch  # noqa: B023
        rate = GIGA_OPERATIONS / ours
        print(
            f"thas, batch {batch}             {ours:.3f} s a clip  {rate:5.0f} GF/s   {eager / ours:.2f} x eager, ",
            end="",
        )
        print(f"{rate / sgemm:.2f} of sgemm", flush=True)
    with Runner(load_backbone(random_weights=True), device="cpu", batch=8, compile=True) as runner:
        ours = best(lambda: runner(frames), 2, clock) / 8
    print(f"compiled, batch 8         {ours:.3f} s a clip  {GIGA_OPERATIONS / ours:5.0f} GF/s   ", end="")
    print(f"{eager / ours:.2f} x eager")


def make_video(path: Path, frames: int, *, size: tuple[int, int] = (240, 320), fps: int = 30) -> Path:
    draw = np.random.default_rng(0)
    height, width = size
    scene = draw.integers(0, 255, (height + 64, width + 64, 3), np.uint8)
    scene = (scene.astype(np.uint16) + np.roll(scene, 1, 0) + np.roll(scene, 1, 1) + np.roll(scene, 2, 1)) // 4
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "veryfast", "crf": "26"})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for i in range(frames):
            top, left = 32 + round(30 * np.sin(i / 40)), 32 + round(30 * np.cos(i / 55))
            frame = np.ascontiguousarray(scene[top : top + height, left : left + width].astype(np.uint8))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def repeat_video(source: Path, target: Path, times: int) -> Path:
    """The same packets again and again: a long video in a second."""
    with av.open(str(source)) as one, av.open(str(target), "w") as many:
        inner = one.streams.video[0]
        outer = many.add_stream_from_template(inner)
        packets = [(bytes(p), p.pts, p.dts, p.duration, p.is_keyframe) for p in one.demux(inner) if p.size]
        span = max(pts for _, pts, *_ in packets) + packets[0][3]
        for turn in range(times):
            for data, pts, dts, duration, key in packets:
                packet = av.Packet(data)
                packet.pts, packet.dts, packet.duration = pts + turn * span, dts + turn * span, duration
                packet.time_base, packet.stream, packet.is_keyframe = inner.time_base, outer, key
                many.mux(packet)
    return target


def small_weights(path: Path) -> Path:
    from safetensors.torch import save_file

    from thas.features.preprocessing import square

    net = C3D(width=8, input_size=56, depth=4, fc_width=256, classes=0, generator=torch.Generator().manual_seed(0))
    about = {"backbone": "c3d", "architecture": net.architecture, "preprocessing": square(56).to_dict()}
    save_file(net.state_dict(), str(path), metadata={"thas": json.dumps(about)})
    return path


def pipeline(snippets: int = 128) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video = make_video(folder / "four_minutes.mp4", 7200)
        for label, weights, settings in (
            (f"C3D, {snippets} snippets", None, ExtractionSettings(snippets=snippets)),
            ("C3D of width 8, 56 px, every 4 frames", small_weights(folder / "w"), ExtractionSettings(stride_frames=4)),
        ):
            loaded = load_backbone(weights=weights, random_weights=weights is None)

            def plan(video: str, table: object, settings: ExtractionSettings = settings) -> object:
                starts, ends = table.start_seconds, table.end_seconds  # type: ignore[attr-defined]
                spread = {"snippets": settings.snippets, "stride_frames": settings.stride_frames}
                return plan_clips(starts, ends, length_frames=16, **spread)

            begin = time.perf_counter()
            preparation = loaded.backbone.preprocessing
            with Decoding([("v", video)], plan=plan, preparation=preparation, workers=1) as decoding:  # type: ignore[arg-type]
                clips = sum(len(event.clips) for event in decoding if isinstance(event, Clips))
            decode = time.perf_counter() - begin
            with Runner(loaded, device="cpu") as runner:
                how = loaded.backbone.preprocessing
                batch = np.zeros((runner.batch, 16, how.crop_height, how.crop_width, 3), np.uint8)
                runner(batch)
                begin = time.perf_counter()
                for future in [runner.submit(batch) for _ in range(-(-clips // runner.batch))]:
                    future.result()
                compute = time.perf_counter() - begin
            begin = time.perf_counter()
            out = folder / str(len(label))
            extract_dataset(
                {"v": video}, out, settings=settings, weights=_weights(weights), machines=Machines(workers=1)
            )
            whole = time.perf_counter() - begin
            print(
                f"{label}: {clips} clips; decoding {decode:.1f} s, network {compute:.1f} s, whole {whole:.1f} s, ",
                end="",
            )
            print(f"{whole / max(decode, compute):.2f} x the larger", flush=True)


def lengths(clips: int = 512) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = small_weights(folder / "w")
        settings = ExtractionSettings(stride_frames=16)
        long = {"v": make_video(folder / "long.mp4", 16 * clips, size=(112, 112))}
        source = make_video(folder / "short.mp4", 16 * 4, size=(112, 112))
        short = {f"v{i}": source for i in range(clips // 4)}
        for _ in range(2):
            seconds, processor = [], []
            for videos in (long, short):
                with tempfile.TemporaryDirectory(dir=folder) as out:
                    begin, used = time.perf_counter(), processor_seconds()
                    result = extract_dataset(
                        videos, out, settings=settings, weights=weights, machines=Machines(workers=2)
                    )
                    seconds.append((time.perf_counter() - begin) / result.clips)
                    processor.append((processor_seconds() - used) / result.clips)
        for how, (one, many) in (("", seconds), (" of processor time", processor)):
            print(f"one video of {clips} clips: {1e3 * one:.1f} ms{how} a clip; {clips // 4} videos of 4: ", end="")
            print(f"{1e3 * many:.1f} ms, {many / one:.2f} x")


def processor_seconds() -> float:
    """Of this process and those that it has ended, its decoders."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def memory(longest: int = 180) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = make_video(folder / "source.mp4", 1800)
        for minutes, full in itertools.product((3, longest), (True, False)):
            video = repeat_video(source, folder / f"{minutes}.mp4", minutes)
            weights = "" if full else str(small_weights(folder / "w"))
            arguments = [str(video), str(folder / f"{minutes}{full}"), weights]
            done = subprocess.run(
                [sys.executable, __file__, "one", *arguments], capture_output=True, text=True, check=True
            )
            label = "C3D, 48 snippets" if full else "C3D of width 8, every 8 frames"
            print(f"{minutes} minutes, {label}: {done.stdout.strip()}", flush=True)


def peak_megabytes(process: int) -> float:
    """The largest resident memory of a process so far; unlike getrusage's, not its parent's before it began."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def children(process: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(OSError):
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def one(video: str, out: str, weights: str) -> None:
    """A single extraction in a process of its own, for its peak memory."""
    settings = ExtractionSettings(stride_frames=8) if weights else ExtractionSettings(snippets=48)
    most = {"self": 0.0, "decoder": 0.0}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            most["self"] = max(most["self"], peak_megabytes(os.getpid()))
            for child in children(os.getpid()):
                most["decoder"] = max(most["decoder"], peak_megabytes(child))

    threading.Thread(target=watch, daemon=True).start()
    result = extract_dataset(
        {"v": Path(video)}, out, settings=settings, weights=_weights(weights), machines=Machines(workers=1)
    )
    over.set()
    network, decoder = most["self"], most["decoder"]
    print(f"{result.clips} clips, peak {network:.0f} MB and {decoder:.0f} MB for the decoder")


def rerun(count: int = 20_000) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = small_weights(folder / "w")
        video = make_video(folder / "v.mp4", 40, size=(64, 64))
        settings = ExtractionSettings(snippets=2)
        extract_dataset({"first": video}, folder / "c", settings=settings, weights=weights)
        for i in range(count):
            shutil.copyfile(folder / "c" / "first.h5", folder / "c" / f"v{i}.h5")
        videos = {f"v{i}": video for i in range(count)}
        begin = time.perf_counter()
        result = extract_dataset(videos, folder / "c", settings=settings, weights=weights)
        print(f"{len(result.skipped)} videos done already: {time.perf_counter() - begin:.1f} s")


def gpu() -> None:
    if not torch.cuda.is_available():
        print("there is no GPU here")
        return
    matrix = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)

    def multiply() -> None:
        matrix @ matrix
        torch.cuda.synchronize()

    matmul = 2 * 8192**3 / best(multiply, 5) / 1e12
    print(f"bf16 matmul {matmul:.0f} TF/s")
    frames = np.random.default_rng(0).integers(0, 256, (128, 16, 112, 112, 3), np.uint8)
    for precision, compile in itertools.product(("fp32", "tf32", "bf16"), (False, True)):
        loaded = load_backbone(random_weights=True)
        with Runner(loaded, device="cuda", precision=precision, compile=compile, batch=128) as runner:  # type: ignore[arg-type]
            seconds = best(lambda: runner(frames), 5) / 128
        rate = GIGA_OPERATIONS / 1e3 / seconds
        print(f"{precision}{' compiled' * compile}: {1 / seconds:.0f} clips/s, {rate:.0f} TF/s, ", end="")
        print(f"{rate / matmul:.2f} of matmul; ", end="")
        print(f"413 videos of 2000 snippets: {413 * 2000 * seconds / 60:.1f} min", flush=True)


if __name__ == "__main__":
    name, *arguments = sys.argv[1:] or ["network"]
    run = {f.__name__: f for f in (network, pipeline, lengths, memory, one, rerun, gpu)}[name]
    run(*(arguments if name == "one" else map(int, arguments)))
