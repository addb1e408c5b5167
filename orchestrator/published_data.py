"""The image datasets that Rankfall gets when it is asked to: where they are and how to unpack.

References:
    https://www.cs.toronto.edu/~kriz/cifar.html (CIFAR-10, CIFAR-100),
    https://github.com/zalandoresearch/fashion-mnist (Fashion-MNIST),
    http://cs231n.stanford.edu (Tiny-ImageNet); addresses and checksums as published there.
"""

import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from orchestrator.data_kind import DataKind
from orchestrator.download import PublishedFile, Told, download, is_here
from orchestrator.errors import DownloadError
from trainer.data.cifar import CIFAR10, CIFAR100, CifarVersion

_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError)


@dataclass(frozen=True, slots=True)
class PublishedData:
    """A dataset on the web.

    Attributes:
        files: What is downloaded.
        unpacks_to: The folder in its one archive; None for files that are read as they are.
    """

    files: tuple[PublishedFile, ...]
    unpacks_to: str | None = None

    def from_mirror(self, address: str) -> "PublishedData":
        """Return the same files, to be had below another address."""
        base = address.rstrip("/")
        files = (replace(file, url=f"{base}/{file.name}") for file in self.files)
        return replace(self, files=tuple(files))


def _cifar(version: CifarVersion) -> PublishedData:
    address = f"https://www.cs.toronto.edu/~kriz/{version.archive}"
    return PublishedData((PublishedFile(address, version.md5),), version.folder)


PUBLISHED: Mapping[DataKind, PublishedData] = {
    DataKind.FASHION_MNIST: PublishedData(
        tuple(
            PublishedFile(f"{_FASHION}/{name}-ubyte.gz", md5)
            for name, md5 in (
                ("train-images-idx3", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
                ("train-labels-idx1", "25c81989df183df01b3e8a0aad5dffbe"),
                ("t10k-images-idx3", "bef4ecab320f06d8554ea6380940ec79"),
                ("t10k-labels-idx1", "bb300cfdad3c16e7a12a480ee83cd310"),
            )
        ),
    ),
    DataKind.CIFAR10: _cifar(CIFAR10),
    DataKind.CIFAR100: _cifar(CIFAR100),
    DataKind.TINY_IMAGENET: PublishedData(
        (
            PublishedFile(
                "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
                "90528d7ca1a48142e341f4ef8d21d0de",
            ),
        ),
        unpacks_to="tiny-imagenet-200",
    ),
}


def get_data(data: PublishedData, folder: Path, show: Callable[[str], Told]) -> Path:
    """Download and unpack a dataset, but for what is there already.

    Args:
        data: What to get.
        folder: Where to; made if missing.
        show: Told the name of each file before it is downloaded; returns who is told the bytes.

    Returns:
        The folder to give as ``data.folder``.

    Raises:
        DownloadError: As :func:`download`, or if an archive is damaged or would write elsewhere.
    """
    if data.unpacks_to is None:
        for file in data.files:
            if not is_here(file, folder):
                download(file, folder, show(file.name))
        return folder
    target = folder / data.unpacks_to
    if not target.is_dir():
        (file,) = data.files
        if not is_here(file, folder):
            download(file, folder, show(file.name))
        unpack(folder / file.name, target)
        (folder / file.name).unlink()
    return target


def unpack(archive: Path, target: Path) -> None:
    """Unpack the folder ``target.name`` of an archive; it is whole or absent.

    Raises:
        DownloadError: If the archive is damaged, has no such folder, or has members that would be
            written outside of it; or if the disk is full.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=target.parent) as draft:
            if archive.suffix == ".zip":
                _unzip(archive, Path(draft))
            else:
                _untar(archive, Path(draft))
            if not (Path(draft) / target.name).is_dir():
                raise DownloadError(f"{archive}: expected the folder {target.name} in it")
            (Path(draft) / target.name).replace(target)
    except _BROKEN as error:
        raise DownloadError(f"{archive} cannot be unpacked: {error}; remove it") from error
    except OSError as error:
        raise DownloadError(f"{archive} cannot be unpacked into {target}: {error}") from error


def _unzip(archive: Path, draft: Path) -> None:
    with zipfile.ZipFile(archive) as members:
        for name in members.namelist():
            if _leads_outside(name):
                raise zipfile.BadZipFile(f"{name!r} would be outside of the destination")
        members.extractall(draft)


def _untar(archive: Path, draft: Path) -> None:
    # Pythons before 3.11.4 (Debian 12 has 3.11.2) have no filters, so ours is there for all.
    with tarfile.open(archive, "r:gz") as members:
        for member in members.getmembers():
            if _leads_outside(member.name):
                raise tarfile.TarError(f"{member.name!r} would be outside of the destination")
            if not (member.isfile() or member.isdir()):
                raise tarfile.TarError(f"{member.name!r} is neither a file nor a folder")
        members.extraction_filter = getattr(tarfile, "data_filter", None)
        members.extractall(draft)


def _leads_outside(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts
