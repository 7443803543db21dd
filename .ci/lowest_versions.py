"""Print the lowest version that pyproject.toml allows of all that users need but torch and torchvision, for pip."""

from __future__ import annotations

import tomllib
from pathlib import Path

LEFT_OUT = ("torch>", "torchvision>")

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
for requirement in project["dependencies"]:
    if not requirement.startswith(LEFT_OUT):
        print(requirement.replace(">=", "==", 1))
