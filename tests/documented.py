"""The commands that README.md and docs/ show, and why some of them are only parsed by the tests."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# What is shown, by a pattern of the whole command, and why a test cannot or need not run it: it is parsed instead, so
# that no option is told that there is not.
NOT_RUN = {
    r"thas weights fetch .*": "it fetches tens of megabytes; tests/test_core_weight_store.py fetches from a folder",
    r"thas weights check|thas weights list": "it reads what this machine has fetched; tests/test_core_weight_store.py",
    r"thas extract-features .*(i3d|hf:|timm:).*": "weights that the project does not bring",
    r"thas extract-features .*c3d\.pickle.*": "weights that the project does not bring",
    r"thas import-features Thumos14reduced .*": "features that the project does not bring",
    r".*(thumos14|activitynet).*": "the data set's videos and features do not come with the project",
    r"thas eval .*--iou 0\.5 0\.75 0\.95": "the data set's videos and features do not come with the project",
    r"thas run my_videos( --train-backbone)?": "minutes; tests/test_temporal_has_chain.py runs it on features",
    r"thas train-backbone .*": "minutes; tests/test_features_train_backbone.py",
    r"thas image demo": "minutes; tests/test_image_has_cli.py",
    r"thas image (train|eval|localize|sweep) .*|thas image eval": "minutes, or weights; tests/test_image_has_cli.py",
    r"thas report runs/image/.*": "needs a run of images; tests/test_report_images.py",
    r"thas (image )?sweep .*": "minutes; tests/test_sweep.py, tests/test_image_has_sweep.py",
    r"thas localize --watch [^-]*": "it runs until Ctrl-C; with --once it is run",
    r"thas localize --stream (rtsp:|/dev/).*": "no camera",
    r".* --plugin .*|.*mine:(Wide|tiny).*": "a module of one's own; tests/test_core_plugins.py",
    r"thas train .*--tracker mine:track": "a module of one's own; tests/test_core_trackers.py",
    r"thas export .*": "seconds; tests/test_deploy_export.py",
    r"thas .* --engine ray .*": "a Ray cluster; tests/test_features_ray.py and its like start one",
    r"thas doctor": "seconds; tests/test_cli.py",
    r"thas convert (coding|AllLabels|phases).*": "a tool's file; the tests of annotators",
    r"thas convert runs/latest found\.boris .*": "a tool's file; the tests of annotators",
    r"thas eval seed0\.json .*": "three runs; tests/test_eval_cli.py",
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
