"""One file from the web: whole and with its published checksum, or not there at all."""

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orchestrator.errors import DownloadError

_SECONDS_WITHOUT_A_BYTE = 60
_BYTES_AT_ONCE = 1 << 18

Told = Callable[[int, int | None], None]
"""Told the bytes so far, and how many there are if the server says so."""


class Hasher(Protocol):
    """A digest that is being computed."""

    def update(self, content: bytes, /) -> None:
        """Take in more."""

    def hexdigest(self) -> str:
        """Return the digest of all that was taken in."""


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file as its authors publish it.

    Attributes:
        url: Where it is.
        md5: Its published checksum. MD5 tells damage from the real thing, not a forger.
    """

    url: str
    md5: str

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rpartition("/")[2]


def is_here(file: PublishedFile, folder: Path) -> bool:
    """Return whether the folder holds the file with its checksum."""
    path = folder / file.name
    if not path.is_file():
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, _md5).hexdigest() == file.md5


def download(file: PublishedFile, folder: Path, told: Told) -> Path:
    """Write a published file into a folder, which is made if missing.

    What an interrupted download leaves has another name, and the next one overwrites it.

    Raises:
        DownloadError: If it cannot be had, ends too early, is another file, or cannot be written.
    """
    path = folder / file.name
    draft = folder / f".{file.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _fetch(file, draft, told)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except urllib.error.URLError as error:
        reason = f"the server says {error}" if isinstance(error, urllib.error.HTTPError) else error
        raise DownloadError(f"{file.url} cannot be had ({reason}); try again later") from error
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise DownloadError(f"the connection to {file.url} broke ({error!r}); try again") from error
    except OSError as error:
        raise DownloadError(
            f"expected to write {path}, got: {error}; choose another folder with --folder"
        ) from error
    return path


def _fetch(file: PublishedFile, draft: Path, told: Told) -> None:
    hasher, done = _md5(), 0
    request = urllib.request.Request(file.url, headers={"User-Agent": "rankfall"})
    with (
        urllib.request.urlopen(request, timeout=_SECONDS_WITHOUT_A_BYTE) as answer,
        draft.open("wb") as target,
    ):
        length = answer.headers.get("Content-Length")
        size = int(length) if length and length.isdecimal() else None
        told(0, size)
        while piece := answer.read(_BYTES_AT_ONCE):
            hasher.update(piece)
            target.write(piece)
            done += len(piece)
            told(done, size)
    if size is not None and done != size:
        raise DownloadError(f"{file.url} ended after {done} of {size} bytes; try again")
    if hasher.hexdigest() != file.md5:
        raise DownloadError(
            f"{file.url}: expected the published file with MD5 {file.md5}, got {done} bytes with "
            f"MD5 {hasher.hexdigest()}; nothing was kept. Try again, or a mirror with --mirror"
        )


def _md5() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)
