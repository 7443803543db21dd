"""Names that come from data as names of files: the one place that decides what a video is called on the disk."""

from __future__ import annotations

import hashlib
import os
from urllib.parse import quote

_LONGEST_BYTES = 200


def file_name(name: str, suffix: str = "") -> str:
    r"""A name as that of a file in a folder: what file systems or paths would misread as %XX, what is too long cut.

    It never leads out of the folder, is never hidden, and two names never share a file.

    >>> file_name("v_Diving_g01", ".png"), file_name("../a b\n"), file_name("")
    ('v_Diving_g01.png', '%2E.%2Fa b%0A', '%')
    """
    readable = quoted_name(name)
    if len(os.fsencode(readable)) > _LONGEST_BYTES:
        digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
        readable = os.fsdecode(os.fsencode(readable)[: _LONGEST_BYTES - 13]) + "-" + digest
    return (readable or "%") + suffix


def quoted_name(name: str) -> str:
    """A name with what file systems or paths would misread as %XX, whatever its length; `unquote` takes it back."""

    def plain(sign: str) -> str:
        fits = sign.isprintable() and sign not in '%/\\:*?"<>|'
        return sign if fits else quote(os.fsencode(sign), safe="")

    readable = "".join(map(plain, name))
    return "%2E" + readable[1:] if readable.startswith(".") else readable


def name_fault(name: str) -> str:
    """Why a text cannot be the name of a video; empty if it can: a file's name without folder and suffix."""
    if not name or name in {".", ".."} or "/" in name or "\\" in name:
        return "a name is a file's name without folder and suffix"
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in name):
        return "it holds signs that steer a terminal or end a text"
    if len(os.fsencode(name)) > _LONGEST_BYTES:
        return f"it is {len(os.fsencode(name))} bytes long, and files need some more"
    return ""
