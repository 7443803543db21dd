"""Examine a machine: Python, packages that fit together, devices, codecs, disk."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from .._version import __version__


@dataclass(frozen=True)
class Finding:
    """One thing examined.

    Attributes:
        name: What.
        state: Works; works with a limit; does not work.
        text: What was found.
        remedy: What to do about it.
    """

    name: str
    state: Literal["ok", "note", "bad"]
    text: str
    remedy: str = ""


# Imported in a process of their own: a broken one may kill its process, and torch is to come before decord.
_IMPORTS = {
    "torch": "import torch; print(torch.__version__)",
    "torchvision": "import torch, torchvision; torchvision.ops.nms; print(torchvision.__version__)",
    "decord": "import torch, decord; print(decord.__version__)",
    "PyAV": "import av; print(av.__version__)",
    "h5py": "import h5py; print(h5py.__version__, 'with HDF5', h5py.version.hdf5_version)",
    "pytorchvideo": "import pytorchvideo.models, pytorchvideo.data.clip_sampling; print(pytorchvideo.__version__)",
    "matplotlib": "import matplotlib; print(matplotlib.__version__)",
}
_DISTRIBUTIONS = {"PyAV": "av"}
_OPTIONAL = {"decord": "it has wheels for Linux and Windows on x86-64 alone; PyAV decodes everything without it"}


def examine() -> list[Finding]:
    """All findings, the basic ones first."""
    with ThreadPoolExecutor() as pool:  # each waits for a process of its own
        packages = list(pool.map(_examine_import, _IMPORTS, _IMPORTS.values()))
    findings = [
        Finding("thas", "ok", f"{__version__} in {Path(__file__).parents[1]}"),
        Finding("python", "ok", f"{platform.python_version()} at {sys.executable}"),
        *packages,
    ]
    works = {finding.name for finding in packages if finding.state == "ok"}
    findings += [_examine_devices()] if "torch" in works else []
    findings += [_examine_encoder()] if "PyAV" in works else []
    return [*findings, _examine_disk(), Finding("cores", "ok", str(len(os.sched_getaffinity(0))))]


def _python(code: str) -> tuple[bool, str]:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=120)
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    text = lines[-1] if lines else f"the process ended with {done.returncode}"
    return done.returncode == 0, text


def _examine_import(name: str, code: str) -> Finding:
    works, text = _python(code)
    if works:
        return Finding(name, "ok", text)
    distribution = _DISTRIBUTIONS.get(name, name)
    try:
        installed = version(distribution)
    except PackageNotFoundError:
        if name in _OPTIONAL:
            return Finding(name, "note", f"not installed: {_OPTIONAL[name]}")
        return Finding(name, "bad", "not installed", f"pip install {distribution}")
    return Finding(name, "bad", f"{installed} is installed but does not work: {text[:200]}", remedy_for(name, text))


def remedy_for(name: str, message: str) -> str:
    """What to do about a package that is installed and does not import.

    >>> remedy_for("torchvision", "RuntimeError: operator torchvision::nms does not exist")[:57]
    'torch and torchvision are not of one build, such as a CPU'
    """
    if "torchvision::nms" in message or (name == "torchvision" and "undefined symbol" in message):
        return (
            "torch and torchvision are not of one build, such as a CPU-only torch beside torchvision of another "
            "index: pip uninstall -y torch torchvision, then pip install torch torchvision together"
        )
    if "libGL" in message or "cannot open shared object" in message:
        return "a system library is missing; install the one the message names"
    return f"pip install --force-reinstall {_DISTRIBUTIONS.get(name, name)}"


def _examine_devices() -> Finding:
    code = (
        "import torch; n = torch.cuda.device_count() if torch.cuda.is_available() else 0; "
        "print(', '.join(torch.cuda.get_device_name(i) for i in range(n)) or 'none')"
    )
    works, text = _python(code)
    if works and text != "none":
        return Finding("cuda", "ok", text)
    return Finding("cuda", "note", "no CUDA device; everything runs on the CPU, C3D at about two clips a second a core")


def _examine_encoder() -> Finding:
    works, text = _python("import av; av.codec.Codec('libx264', 'w'); print('libx264')")
    if works:
        return Finding("H.264 encoder", "ok", text)
    return Finding(
        "H.264 encoder", "note", "absent; thas demo cannot make its videos", "pip install --force-reinstall av"
    )


def _examine_disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    text = f"{free:.1f} GB free in the current folder; THUMOS14's features (413 videos of 2000 x 4096) take 13.5 GB"
    return Finding("disk", "ok" if free > 1 else "note", text)
