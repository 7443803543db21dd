"""Examine a machine: Python, packages that fit together, devices, codecs, disk."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from .._version import __version__
from .processes import cores


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


# In a process of their own, since a broken package may kill its process; torch is to come before decord. Each leaves
# its answer in `text`.
_PROBES = {
    "torch": "import torch; text = torch.__version__",
    "torchvision": "import torch, torchvision; torchvision.ops.nms; text = torchvision.__version__",
    "decord": "import torch, decord; text = decord.__version__",
    "PyAV": "import av; text = av.__version__",
    "h5py": "import h5py; text = h5py.__version__ + ' with HDF5 ' + h5py.version.hdf5_version",
    "pytorchvideo": "import pytorchvideo.models, pytorchvideo.data.clip_sampling; text = pytorchvideo.__version__",
    "matplotlib": "import matplotlib; text = matplotlib.__version__",
    "cuda": (
        "import torch; n = torch.cuda.device_count() if torch.cuda.is_available() else 0; "
        "text = ', '.join(torch.cuda.get_device_name(i) for i in range(n)) or 'none'"
    ),
    "H.264 encoder": "import av; av.codec.Codec('libx264', 'w'); text = 'libx264'",
}
_NO_PACKAGES = ("cuda", "H.264 encoder")
_PATIENCE_SECONDS = 240
# Answers one line a probe, on what was stdout: libraries may print what they like.
_ASK = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for name, code in json.loads(sys.argv[1]).items():
    found = {}
    try:
        exec(code, found)
        line = [name, True, str(found["text"])]
    except BaseException as error:
        line = [name, False, f"{type(error).__name__}: {error}".strip().splitlines()[-1]]
    print(json.dumps(line), file=answers, flush=True)
"""
_DISTRIBUTIONS = {"PyAV": "av"}
_OPTIONAL = {"decord": "it has wheels for Linux and Windows on x86-64 alone; PyAV decodes everything without it"}


def examine() -> list[Finding]:
    """All findings, the basic ones first."""
    answers = ask(_PROBES)
    packages = [_of_package(name, *answers[name]) for name in _PROBES if name not in _NO_PACKAGES]
    works = {finding.name for finding in packages if finding.state == "ok"}
    return [
        Finding("thas", "ok", f"{__version__} in {Path(__file__).parents[1]}"),
        Finding("python", "ok", f"{platform.python_version()} at {sys.executable}"),
        *packages,
        *([_of_devices(*answers["cuda"])] if "torch" in works else []),
        *([_of_encoder(*answers["H.264 encoder"])] if "PyAV" in works else []),
        _examine_disk(),
        Finding("cores", "ok", str(cores())),
    ]


def ask(probes: Mapping[str, str]) -> dict[str, tuple[bool, str]]:
    """Whether each probe works, and what it says; by its name.

    All run in one process, one after the other. One that ends the process is told so, and another process goes on.

    Args:
        probes: Python statements that leave their answer in `text`.
    """
    answers: dict[str, tuple[bool, str]] = {}
    while left := {name: code for name, code in probes.items() if name not in answers}:
        command = [sys.executable, "-c", _ASK, json.dumps(left)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False)
            printed, end = done.stdout, f"the process ended with {done.returncode}"
        except subprocess.TimeoutExpired as late:
            printed = late.stdout.decode() if isinstance(late.stdout, bytes) else late.stdout or ""
            end = f"it did not answer within {_PATIENCE_SECONDS} seconds"
        for line in printed.splitlines():
            name, works, text = json.loads(line)
            answers[name] = (works, text)
        if silent := next((name for name in left if name not in answers), None):
            answers[silent] = (False, end)
    return answers


def _of_package(name: str, works: bool, text: str) -> Finding:
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


def _of_devices(works: bool, text: str) -> Finding:
    if works and text != "none":
        return Finding("cuda", "ok", text)
    return Finding("cuda", "note", "no CUDA device; everything runs on the CPU, C3D at about two clips a second a core")


def _of_encoder(works: bool, text: str) -> Finding:
    if works:
        return Finding("H.264 encoder", "ok", text)
    return Finding(
        "H.264 encoder", "note", "absent; thas demo cannot make its videos", "pip install --force-reinstall av"
    )


def _examine_disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    text = f"{free:.1f} GB free in the current folder; THUMOS14's features (413 videos of 2000 x 4096) take 13.5 GB"
    return Finding("disk", "ok" if free > 1 else "note", text)
