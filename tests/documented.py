"""The commands that README.md and docs/ show, and why some of them are only parsed by the tests."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_FETCHED = "weights that are fetched: tens of megabytes, or more"
_ELSEWHERE = "videos and features that do not come with the project"

# What is shown, by a pattern of the whole command, and why a test cannot or need not run it: it is parsed instead, so
# that no option is told that there is not.
NOT_RUN = {
    r"thas weights fetch .*": f"{_FETCHED}; tests/test_core_weight_store.py fetches from a folder",
    r"thas extract-features .*(i3d|hf:|timm:|c3d\.pickle).*": _FETCHED,
    r"thas import-features Thumos14reduced .*": _ELSEWHERE,
    r"thas run my_videos": f"{_FETCHED}; tests/test_temporal_has_chain.py runs it on features",
    r"thas doctor": "it asks each package in a process of its own; tests/test_cli.py runs it",
    r"thas image demo": "minutes; tests/test_image_has_cli.py shows a short one",
    r"thas image .*(efficientnet_lite0|timm:).*": f"{_FETCHED}; tests/test_image_has_library.py runs it on others",
    r"thas sweep image_sizes_128 .*|thas image sweep .*": "trainings of AlexNet; tests/test_image_has_sweep.py",
    r"thas sweep heads .*": "three data sets by five heads; tests/test_sweep_over_sets.py",
    r"thas localize --stream (rtsp:|/dev/).*": "no camera; of a file it is run",
    r"thas export .*": "fifteen seconds; tests/test_deploy_export.py",
    r"thas .* --engine ray .*": "a Ray cluster; tests/test_features_ray.py and its like start one",
}


def reason(command: str) -> str | None:
    """Why a command is not run; None if it is."""
    for pattern, why in NOT_RUN.items():
        if re.fullmatch(pattern, command):
            return why
    return None


def documents() -> list[Path]:
    """README.md and all pages of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands(page: Path) -> Iterator[str]:
    """The `thas` commands in a page's code, in its order, without comments."""
    fenced = ""
    whole = ""
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith("```"):
            fenced = "" if fenced else line.strip().removeprefix("```") or "text"
            continue
        if not fenced and not line.startswith("    "):
            continue
        if fenced in ("python", "toml", "json"):
            continue
        whole += line.strip()
        if whole.endswith("\\"):
            whole = whole[:-1].rstrip() + " "
            continue
        command, whole = re.split(r"\s+#\s|\s{3,}", whole)[0].strip(), ""
        if command.startswith("thas "):
            yield command


def tokens(command: str) -> list[str]:
    """As a shell hands them on, without `thas`."""
    return shlex.split(command)[1:]
