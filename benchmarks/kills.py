"""Kill every command that writes, at random moments and at its file operations, and see what comes back.

    python benchmarks/kills.py [KILLS A COMMAND, 30 by default] [SEED] [COMMAND ...]

Each command runs in a forked process on tiny data (nothing is imported anew) and is killed with SIGKILL: half of the
times at a random moment, else just before one of its file operations (opening to write, renaming, removing, making a
folder), drawn at random. Then it is typed again as its message says (`--resume` where it trains), and what it made is
compared with an undisturbed run: the same bytes of what is named under `keeps`, and no file that an undisturbed run
does not leave. With FULL=1 each command instead meets a disk that is full (no file may grow beyond some bytes) and a
folder that is read-only, as a user that is not root. Prints a row a command; the exit code is 1 if anything was lost.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import resource
import shutil
import signal
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))
_NOBODY = 65534


@dataclass(frozen=True)
class Command:
    """A command that writes.

    Attributes:
        types: What is typed.
        keeps: Files whose bytes must be the same, as patterns below the working folder.
        again: What is typed after a kill, in place of the same.
        needs: What must be made before, by name in `MAKERS`.
    """

    types: list[str]
    keeps: tuple[str, ...]
    again: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


_FAST = ["--device", "cpu", "--set", "network.channels=8", "train.epochs=3", "train.checkpoint_epochs=1"]
_SMALL = ["--clips-per-video", "1", "--batch", "4", "--input-size", "16", "--width", "2", "--device", "cpu"]
_SPARSE = ["--weights", "small.safetensors", "--stride-frames", "8", "--workers", "1", "--device", "cpu"]
_ONCE = ["--seeds", "1", "--workers", "1", "--draws", "20"]
_IMAGES = [
    "--device",
    "cpu",
    "--set",
    "network.name=small",
    "network.width=0.1",
    "input.size=32",
    "input.resize=40",
    "train.epochs=2",
]
_IMAGES += ["train.workers=0", "train.batch_size=4", "hide.size=8"]
_PLANTED = ["--dataset", "planted", "--runs", "new"]
COMMANDS = {
    "train": Command(
        ["train", *_PLANTED, *_FAST],
        ("new/planted/*/checkpoint.safetensors", "new/planted/*/sequences.h5"),
        ("--resume",),
        ("planted",),
    ),
    "image train": Command(
        ["image", "train", "--dataset", "creatures", "--runs", "new", *_IMAGES],
        ("new/creatures/*/weights.safetensors",),
        ("--resume",),
        ("creatures",),
    ),
    "train-backbone": Command(
        ["train-backbone", "--dataset", "mine", "--out", "new/b.safetensors", "--epochs", "2", *_SMALL],
        ("new/b.safetensors",),
        ("--resume",),
        ("mine",),
    ),
    "extract-features": Command(
        ["extract-features", "--dataset", "mine", *_SPARSE, "--out", "new"],
        ("new/*.h5",),
        (),
        ("mine",),
    ),
    "import-features": Command(
        ["import-features", "arrays", "--fps", "25", "--length-frames", "16", "--stride-frames", "8", "--out", "new"],
        ("new/*.h5",),
        (),
        ("arrays",),
    ),
    "sweep": Command(
        ["sweep", *_PLANTED, *_FAST, "hide.probability=0,0.5", *_ONCE],
        ("new/planted/**/sweep.csv",),
        (),
        ("planted",),
    ),
    "image sweep": Command(
        ["image", "sweep", "--dataset", "creatures", "--runs", "new", *_IMAGES, "hide.probability=0,0.5", *_ONCE],
        ("new/**/sweep.csv",),
        (),
        ("creatures",),
    ),
    "localize": Command(
        ["localize", "--run", "runs/latest", "--pictures", "--device", "cpu"],
        ("runs/planted/*/detections.json", "runs/planted/*/detections.csv", "runs/planted/*/sequences.h5"),
        (),
        ("run",),
    ),
    "watch": Command(
        ["localize", "--watch", "incoming", "--once", "--run", "runs-mine/latest", "--device", "cpu"],
        ("detections/*.json", "detections/*.csv"),
        (),
        ("run of videos",),
    ),
    "image localize": Command(
        ["image", "localize", "photos", "--run", "runs/image/latest", "--output", "new", "--device", "cpu"],
        ("new/*.json", "new/*.png"),
        (),
        ("image run",),
    ),
    "convert": Command(["convert", "planted/annotations.json", "new/truth.csv"], ("new/truth.csv",), (), ("planted",)),
    "clips": Command(["clips", "runs-mine/latest", "--out", "new"], ("new/**/*.mp4",), (), ("run of videos",)),
    "report": Command(["report", "runs/latest", "--out", "new/page.html"], ("new/page.html",), (), ("run",)),
    "run": Command(["run", "planted", *_FAST], ("planted/intervals.csv",), (), ("planted",)),
    "weights fetch": Command(["weights", "fetch", "tiny"], ("kept/*.ckpt",), (), ("shop",)),
}


def _planted(work: Path) -> None:
    from tests.sweep_data import planted_dataset

    planted_dataset(work / "planted", videos=9)


def _creatures(work: Path) -> None:
    from PIL import Image

    draw = np.random.default_rng(0)
    rows = ["image,label,x0,y0,x1,y1"]
    for subset, count in (("train", 4), ("val", 2)):
        for label, colour in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
            folder = work / "creatures" / subset / label
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = draw.integers(90, 110, (40, 40, 3), np.uint8)
                pixels[10:30, 10:30] = colour
                Image.fromarray(pixels).save(folder / f"{i}.png")
                if subset == "val":
                    rows.append(f"{subset}/{label}/{i}.png,{label},10,10,30,30")
    (work / "creatures" / "boxes.csv").write_text("\n".join(rows) + "\n")
    shutil.copytree(work / "creatures" / "val" / "red", work / "photos")


def _mine(work: Path) -> None:
    from tests.test_temporal_has_videos import save_backbone
    from tests.video_files import write_video

    (work / "mine/videos").mkdir(parents=True)
    rows = ["video,label,subset"]
    for i in range(4):
        write_video(work / f"mine/videos/v{i}.mp4", frames=40, size=(32, 40))
        rows.append(f"v{i},{'Run' if i % 2 else 'Jump'},{'test' if i == 3 else 'training'}")
    (work / "mine/labels.csv").write_text("\n".join(rows) + "\n")
    save_backbone(work / "small.safetensors")
    (work / "incoming").mkdir()
    for i in range(2):
        shutil.copy(work / f"mine/videos/v{i}.mp4", work / f"incoming/w{i}.mp4")


def _arrays(work: Path) -> None:
    (work / "arrays").mkdir()
    for i in range(4):
        np.save(work / f"arrays/v{i}.npy", np.random.default_rng(i).normal(size=(20, 6)).astype(np.float32))


def _shop(work: Path) -> None:
    from thas.core.weight_catalogue import CATALOGUE, Published

    page = work / "simple" / "tiny-net"
    page.mkdir(parents=True)
    content = np.random.default_rng(0).bytes(5_000_000)
    with tarfile.open(page / "tiny-1.0.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("tiny-1.0/tiny/net.ckpt")
        info.size, info.mtime = len(content), 0
        archive.addfile(info, io.BytesIO(content))
    (page / "index.html").write_text("<!DOCTYPE html><a href='tiny-1.0.tar.gz'>tiny-1.0.tar.gz</a>")
    os.environ |= {"PIP_INDEX_URL": (work / "simple").as_uri(), "THAS_WEIGHTS": str(work / "kept")}
    digest = hashlib.sha256((page / "tiny-1.0.tar.gz").read_bytes()).hexdigest()
    address = "tiny-net/tiny-1.0.tar.gz/tiny-1.0/tiny/net.ckpt"
    CATALOGUE["tiny"] = Published(
        "tiny", "videos", "x", "MIT", address, hashlib.sha256(content).hexdigest(), len(content), digest
    )


def _typed(*tokens: list[str]) -> Callable[[Path], None]:
    def make(work: Path) -> None:
        for one in tokens:
            code, said, _ = finished(one, work)
            assert code == 0, f"{one}: {code}\n{said}"

    return make


_MINE = ["--dataset", "mine", "--device", "cpu"]
MAKERS: dict[str, tuple[tuple[str, ...], Callable[[Path], None]]] = {
    "planted": ((), _planted),
    "creatures": ((), _creatures),
    "mine": ((), _mine),
    "arrays": ((), _arrays),
    "shop": ((), _shop),
    "run": (("planted",), _typed(["train", "--dataset", "planted", "--runs", "runs", *_FAST])),
    "run of videos": (
        ("mine",),
        _typed(
            ["extract-features", "--dataset", "mine", *_SPARSE],
            ["train", "--dataset", "mine", "--runs", "runs-mine", *_FAST],
        ),
    ),
    "image run": (("creatures",), _typed(["image", "train", "--dataset", "creatures", *_IMAGES])),
}
"""What commands need: what that needs in turn, and how it is made."""


def prepare(needs: tuple[str, ...], work: Path, made: set[str]) -> None:
    """Make what is needed, once each."""
    for name in needs:
        if name not in made:
            made.add(name)
            before, make = MAKERS[name]
            prepare(before, work, made)
            make(work)


def _child(tokens: list[str], work: Path, output: int, limit: Callable[[], None]) -> None:
    """In the forked process: a group of its own, the working folder, the output, then the command."""
    os.setsid()
    os.chdir(work)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    os.environ |= {"NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
    from thas.cli import run

    limit()
    code = 70
    try:
        code = run(tokens)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def start(tokens: list[str], work: Path, limit: Callable[[], None] = lambda: None) -> tuple[int, Path]:
    """A command under way: its process, and the file of its output."""
    handle, name = tempfile.mkstemp(dir=work.parent)
    child = os.fork()
    if not child:
        try:
            _child(tokens, work, handle, limit)
        except BaseException:
            os._exit(71)
    os.close(handle)
    return child, Path(name)


def finished(tokens: list[str], work: Path, limit: Callable[[], None] = lambda: None) -> tuple[int, str, float]:
    """A command to its end: exit code, output, seconds."""
    began = time.monotonic()
    child, output = start(tokens, work, limit)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    said = output.read_text(errors="replace")
    output.unlink()
    return code, said, time.monotonic() - began


_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def file_steps(then: Callable[[int], None]) -> Callable[[], None]:
    """Call `then` with a running number before each file operation of a process."""

    def limit() -> None:
        steps = 0

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal steps
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
            if writes or event in {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.chmod"}:
                steps += 1
                then(steps)

        sys.addaudithook(hook)

    return limit


def steps_of(tokens: list[str], work: Path) -> int:
    """How many file operations an undisturbed run makes."""
    place = work.parent / "steps"
    finished(tokens, work, file_steps(lambda step: os.truncate(place, step)))
    return place.stat().st_size


def listing(work: Path) -> set[str]:
    """Every file, the times in names of runs left out, and what may differ: logs of trainings and locks."""
    found: set[str] = set()
    for path in work.rglob("*"):
        if path.is_file() and path.name not in {".lock"}:
            parts = ["RUN" if part[:2] == "20" and part[8:9] == "-" else part for part in path.relative_to(work).parts]
            found.add("/".join(parts))
    return found


def kept(command: Command, work: Path) -> dict[str, str]:
    """The hashes of what must come back, of the newest of several runs."""
    found: dict[str, str] = {}
    for pattern in command.keeps:
        for path in sorted(work.glob(pattern)):
            parts = ["RUN" if part[:2] == "20" and part[8:9] == "-" else part for part in path.relative_to(work).parts]
            found["/".join(parts)] = _digest(path)
    return found


def _digest(path: Path) -> str:
    """Of a file's bytes; of HDF5, results and pages without the times and places that they note."""
    if path.suffix == ".h5":
        import h5py

        sums: list[str] = []
        with h5py.File(path) as file:
            file.visititems(
                lambda name, one: (
                    sums.append(name + hashlib.sha256(one[()].tobytes()).hexdigest())
                    if isinstance(one, h5py.Dataset)
                    else None
                )
            )
        return hashlib.sha256("".join(sums).encode()).hexdigest()
    content = path.read_bytes()
    if path.suffix == ".html":  # a page says in which minute it was made
        content = re.sub(rb"made \d{4}-\d\d-\d\d \d\d:\d\d by", b"made by", content)
    if path.suffix == ".json":
        content = json.dumps(json.loads(content).get("results", content.decode())).encode()
    return hashlib.sha256(content).hexdigest()


def kill(name: str, count: int, seed: int, root: Path) -> bool:
    """One command's row; returns whether everything came back."""
    command, base, work = COMMANDS[name], root / "base", root / "work"
    for folder in (base, work):
        shutil.rmtree(folder, ignore_errors=True)
    work.mkdir()
    prepare(command.needs, work, set())
    shutil.copytree(work, base, symlinks=True)
    (root / "steps").touch()

    def fresh() -> None:
        shutil.rmtree(work)
        shutil.copytree(base, work, symlinks=True)

    code, said, seconds = finished(command.types, work)
    assert code == 0, f"{name} ends with {code}:\n{said}"
    expected, usual = kept(command, work), listing(work)
    assert expected, f"{name} made nothing of {command.keeps}"
    fresh()
    steps = steps_of(command.types, work)
    draw = np.random.default_rng([seed, len(name)])
    same = killed = 0
    orphans: dict[str, int] = {}
    wrong: list[str] = []
    for number in range(count):
        fresh()
        if number % 2:
            child, output = start(command.types, work)
            time.sleep(float(draw.uniform(0, seconds)))
            if os.waitpid(child, os.WNOHANG)[0] == 0:
                try:
                    os.killpg(child, signal.SIGKILL)
                except ProcessLookupError:  # forked just now, and no group yet
                    os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                killed += 1
            output.unlink()
        else:
            at = int(draw.integers(1, steps + 1))
            killed += finished(command.types, work, file_steps(lambda step, at=at: _die(step, at)))[0] < 0
        tokens = command.types
        if command.again and any(work.glob("new/**/settings.toml")):
            tokens = [*command.types, *command.again]
        code, said, _ = finished(tokens, work)
        if code != 0 and tokens != command.types and "--resume" in tokens:  # all came to its end before
            code, said, _ = finished(command.types, work)
        back = kept(command, work)
        if code == 0 and back == expected:
            same += 1
        else:
            differ = sorted(key for key in {*back, *expected} if back.get(key) != expected.get(key))
            wrong.append(f"kill {number}: exit {code}, differ {differ[:3]}: {said.strip()[-200:]!r}")
        for orphan in sorted(listing(work) - usual):
            orphans[_general(orphan)] = orphans.get(_general(orphan), 0) + 1
    left = ", ".join(f"{key} {value}x" for key, value in orphans.items()) or "none"
    print(f"{name:18} kills {killed:3} of {count}, steps {steps:4}, same {same:3}, left over: {left}", flush=True)
    for line in wrong[:5]:
        print(f"    {line}", flush=True)
    return same == count


def _general(name: str) -> str:
    """An orphan without what was drawn for its name."""
    return re.sub(r"\.[a-z0-9_]{8}\.part$", ".*.part", re.sub(r"\d{4,}", "N", name))


def _die(step: int, at: int) -> None:
    if step == at:
        os.killpg(0, signal.SIGKILL)


def refuse(name: str, root: Path) -> bool:
    """A full disk and a read-only folder for one command, as nobody; returns whether each was told in three lines."""
    command, base, work = COMMANDS[name], root / "base", root / "work"
    for folder in (base, work):
        shutil.rmtree(folder, ignore_errors=True)
    work.mkdir()
    prepare(command.needs, work, set())
    for path in (work, *work.rglob("*")):
        os.chown(path, _NOBODY, _NOBODY, follow_symlinks=False)
    shutil.copytree(work, base, symlinks=True)
    held = True
    for what in ("full disk", "read-only"):
        shutil.rmtree(work)
        shutil.copytree(base, work, symlinks=True)
        for path in (work, *work.rglob("*")):
            os.chown(path, _NOBODY, _NOBODY, follow_symlinks=False)
            if what == "read-only" and path.is_dir():
                path.chmod(0o555)

        def limit(what: str = what) -> None:
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
            os.environ["HOME"] = str(work)
            if what == "full disk":
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))

        child, output = start(command.types, work, limit)
        # The output is a file, too, and may grow no further than others: it is read as far as it came.
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said = output.read_text(errors="replace")
        output.unlink()
        told = code in (1, 3) and "Traceback" not in said and "did not foresee" not in said
        held = held and told
        print(f"{name:18} {what:10} exit {code} {'told' if told else 'NOT TOLD'}: {said.strip()[-160:]!r}", flush=True)
    for path in (work, *work.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    return held


def main(count: int = 30, seed: int = 0, *names: str) -> int:
    import thas.cli  # once, before the forks
    import thas.features.extract
    import thas.image_has.session
    import thas.report.page
    import thas.sweep.run
    import thas.temporal_has.session  # noqa: F401

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        if os.environ.get("FULL"):
            return 0 if {refuse(name, root) for name in names or COMMANDS} == {True} else 1
        return 0 if {kill(name, count, seed, root) for name in names or COMMANDS} == {True} else 1


if __name__ == "__main__":
    count, seed = (int(sys.argv[i]) if len(sys.argv) > i else usual for i, usual in ((1, 30), (2, 0)))
    sys.exit(main(count, seed, *sys.argv[3:]))
