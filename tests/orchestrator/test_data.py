"""Downloads from a real server on this machine: whole, checked, unpacked - or nothing at all."""

import hashlib
import io
import json
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from orchestrator import command_data
from orchestrator.cli import app
from orchestrator.command_data import find_source, get_source
from orchestrator.data_kind import DataKind
from orchestrator.download import PublishedFile, download
from orchestrator.errors import DownloadError
from orchestrator.published_data import PUBLISHED, PublishedData, get_data, unpack
from orchestrator.sound_sources import SoundKind
from tests.trainer.data.audio.sound_files import (
    write_audiocaps,
    write_clotho,
    write_esc,
    write_stamps,
    write_urbansound,
)
from tests.trainer.data.source_files import cifar_files, write_archive, write_fashion
from trainer.audio_settings import AudioSettings
from trainer.data.cifar import CIFAR10
from trainer.data.images import know_images
from trainer.data.pair_facts import know_pairs
from trainer.settings import DataSettings

Requests = list[str]


@dataclass
class Server:
    """What a server on 127.0.0.1 has, and what it was asked for."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    announce: dict[str, int] = field(default_factory=dict)
    asked: Requests = field(default_factory=list)

    def publish(self, name: str, content: bytes, md5: str | None = None) -> PublishedFile:
        """Serve a file, published with its checksum or another."""
        self.files[name] = content
        return PublishedFile(f"{self.address}/{name}", md5 or md5_of(content))


@pytest.fixture
def server() -> Iterator[Server]:
    world = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.removeprefix("/")
            world.asked.append(name)
            if name not in world.files:
                self.send_error(404)
                return
            content = world.files[name]
            self.send_response(200)
            self.send_header("Content-Length", str(world.announce.get(name, len(content))))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        world.address = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield world
        http.shutdown()
        thread.join()


def md5_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def quiet(_: str) -> Callable[[int, int | None], None]:
    return lambda _done, _size: None


def files_below(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


def tar_of(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return content.getvalue()


def zip_of(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return content.getvalue()


def tiny_cifar(server: Server, tmp_path: Path) -> PublishedData:
    path = tmp_path / "made.tar.gz"
    write_archive(path, cifar_files(CIFAR10), CIFAR10.folder)
    return PublishedData((server.publish(CIFAR10.archive, path.read_bytes()),), CIFAR10.folder)


def test_an_archive_is_checked_unpacked_and_opens_as_a_source(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tiny_cifar(server, tmp_path)
    monkeypatch.setattr(command_data, "PUBLISHED", {DataKind.CIFAR10: data})
    folder, console = tmp_path / "to", Console(file=io.StringIO(), force_terminal=True)
    assert not find_source(DataKind.CIFAR10, folder).is_here
    line = get_source(DataKind.CIFAR10, folder, None, console)
    settings = DataSettings.model_validate(yaml.safe_load(line))
    assert know_images(settings).train_count == 100
    assert files_below(folder) == [
        f"cifar10/{CIFAR10.folder}/{name}" for name in sorted(cifar_files(CIFAR10))
    ]
    row = find_source(DataKind.CIFAR10, folder)
    assert (row.is_here, row.train, row.test, row.study) == (True, 100, 20, line)
    assert get_source(DataKind.CIFAR10, folder, None, console) == line
    assert server.asked == [CIFAR10.archive]  # once
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert CIFAR10.archive in shown
    assert "0:00:00" in shown  # the time left


def test_of_several_files_only_what_is_missing_or_damaged_is_downloaded(
    server: Server, tmp_path: Path
) -> None:
    made, folder = tmp_path / "made", tmp_path / "to"
    made.mkdir()
    write_fashion(made, suffix=".gz")
    names = sorted(path.name for path in made.iterdir())
    data = PublishedData(tuple(server.publish(n, (made / n).read_bytes()) for n in names))
    assert get_data(data, folder, quiet) == folder
    (folder / names[0]).write_bytes(b"damaged")
    (folder / names[1]).unlink()
    get_data(data, folder, quiet)
    assert server.asked == [*names, *names[:2]]
    assert know_images(DataSettings(source="fashion_mnist", folder=str(folder))).train_count == 120


def test_another_file_under_the_name_is_refused(server: Server, tmp_path: Path) -> None:
    file = server.publish("a.gz", b"not what was published", md5="0" * 32)
    with pytest.raises(
        DownloadError, match=r"expected the published file with MD5 0{32}, got 22 bytes with MD5 "
    ):
        download(file, tmp_path, quiet(""))
    assert files_below(tmp_path) == []


def test_a_connection_that_ends_too_early_leaves_nothing(server: Server, tmp_path: Path) -> None:
    file = server.publish("a.gz", b"half")
    server.announce["a.gz"] = 8
    with pytest.raises(DownloadError, match=r"a\.gz ended after 4 of 8 bytes"):
        download(file, tmp_path, quiet(""))
    assert files_below(tmp_path) == []


def test_an_interrupted_download_leaves_nothing_and_can_be_repeated(
    server: Server, tmp_path: Path
) -> None:
    file = server.publish("a.gz", b"whole")

    def interrupt(done: int, _: int | None) -> None:
        if done:
            assert files_below(tmp_path) == [".a.gz.part"]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(file, tmp_path, interrupt)
    assert files_below(tmp_path) == []
    (tmp_path / ".a.gz.part").write_bytes(b"what a killed one left, longer than the file")
    assert download(file, tmp_path, quiet("")).read_bytes() == b"whole"
    assert files_below(tmp_path) == ["a.gz"]


def test_what_the_server_does_not_have_is_said(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"none\.gz cannot be had \(the server says .*404"):
        download(PublishedFile(f"{server.address}/none.gz", ""), tmp_path, quiet(""))


def test_a_server_that_is_gone_is_said(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as http:
        address = f"http://127.0.0.1:{http.server_port}"
    with pytest.raises(DownloadError, match=r"cannot be had .*refused"):
        download(PublishedFile(f"{address}/a.gz", ""), tmp_path, quiet(""))


def test_a_folder_that_cannot_be_made_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match=r"expected to write .*a\.gz, got: .*--folder"):
        download(server.publish("a.gz", b"x"), tmp_path / "file" / "below", quiet(""))


def test_a_folder_that_cannot_be_written_is_named(server: Server) -> None:
    with pytest.raises(DownloadError, match=r"expected to write /proc/none/a\.gz, got: "):
        download(server.publish("a.gz", b"x"), Path("/proc/none"), quiet(""))


OUTSIDE = {"inside/ok.bin": b"1", "../outside.bin": b"2"}


def tar_of_link(target: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        link = tarfile.TarInfo("inside/link")
        link.type, link.linkname = tarfile.SYMTYPE, target
        tar.addfile(link)
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.tar.gz", tar_of(OUTSIDE), id="tar"),
        pytest.param("a.tar.gz", tar_of({"/tmp/../../outside.bin": b"2"}), id="tar-absolute"),
        pytest.param("a.tar.gz", tar_of_link("../../../etc"), id="tar-link"),
        pytest.param("a.zip", zip_of(OUTSIDE), id="zip"),
        pytest.param("a.zip", zip_of({"inside\\..\\..\\outside.bin": b"2"}), id="zip-backslash"),
        pytest.param("a.tar.gz", tar_of({"inside/ok.bin": b"1" * 999})[:-40], id="tar-cut"),
        pytest.param("a.zip", zip_of({"inside/ok.bin": b"1"})[:-9], id="zip-cut"),
        pytest.param("a.zip", b"<html>not here</html>", id="no-zip"),
        pytest.param("a.tar.gz", b"<html>not here</html>", id="no-tar"),
        pytest.param("a.tar.gz", tar_of({"else/ok.bin": b"1"}), id="another-folder"),
    ],
)
def test_archives_that_are_damaged_or_write_elsewhere_leave_nothing(
    tmp_path: Path, name: str, content: bytes
) -> None:
    folder = tmp_path / "in" / "here"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content)
    with pytest.raises(DownloadError, match=r"cannot be unpacked|expected the folder inside"):
        unpack(folder / name, folder / "inside")
    assert files_below(tmp_path) == [f"in/here/{name}"]
    assert [path.name for path in folder.iterdir()] == [name]


def test_a_zip_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zip_of({"inside/train/x.txt": b"1"}))
    unpack(tmp_path / "a.zip", tmp_path / "inside")
    assert (tmp_path / "inside/train/x.txt").read_bytes() == b"1"


def test_a_mirror_has_the_same_files_and_checksums() -> None:
    published = PUBLISHED[DataKind.FASHION_MNIST]
    mirrored = published.from_mirror("http://mirror/fashion/")
    assert [f.md5 for f in mirrored.files] == [f.md5 for f in published.files]
    assert mirrored.files[0].url == "http://mirror/fashion/train-images-idx3-ubyte.gz"


def rankfall(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["data", *words])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_line_refuses_a_mirror_with_another_file(
    server: Server, tmp_path: Path
) -> None:
    server.publish(CIFAR10.archive, b"not CIFAR")
    code, _, said = rankfall(
        "get", "cifar10", "--folder", str(tmp_path), "--mirror", server.address
    )
    assert code == 2
    assert f"expected the published file with MD5 {CIFAR10.md5}, got 9 bytes" in said
    assert files_below(tmp_path) == []


def test_packages_are_named_with_the_command_that_installs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.data.glyphs.PACKAGE_FOLDER", tmp_path / "none")
    code, _, said = rankfall("get", "glyphs")
    assert code == 2
    assert "run: apt-get install fonts-aenigma" in said


def test_what_ships_with_scikit_learn_is_here() -> None:
    assert rankfall("get", "digits")[:2] == (0, "data: {source: digits}\n")


def test_the_list_says_what_is_here_and_how_to_get_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.data.glyphs.PACKAGE_FOLDER", tmp_path / "none")
    monkeypatch.setattr("trainer.data.fashion_mnist.PACKAGE_FOLDER", tmp_path / "none")
    (tmp_path / "fashion_mnist").mkdir()
    write_fashion(tmp_path / "fashion_mnist")
    broken = tmp_path / "cifar100" / "cifar-100-binary"
    broken.mkdir(parents=True)
    (broken / "test.bin").write_bytes(b"torn")
    code, said, _ = rankfall("list", "--folder", str(tmp_path), "--json")
    rows = {row["source"]: row for row in json.loads(said)}
    assert code == 0
    assert list(rows) == [*map(str, DataKind), *map(str, SoundKind)]
    assert rows["digits"]["train"] + rows["digits"]["test"] == 1797
    assert rows["fashion_mnist"]["train"] == 120
    assert rows["glyphs"]["get"] == "apt-get install fonts-aenigma"
    assert rows["cifar10"]["get"] == "rankfall data get cifar10"
    assert "train.bin is missing" in rows["cifar100"]["problem"]
    shutil.rmtree(broken)
    code, said, _ = rankfall("list", "--folder", str(tmp_path))
    assert code == 0
    assert "rankfall data get cifar100" in said


def write_sounds(folder: Path) -> None:
    """Write sources of sounds as they come, some in the folder that their archive unpacks to."""
    write_audiocaps(folder / "audiocaps")
    write_clotho(folder / "clotho")
    write_esc(folder / "ESC-50-master")
    write_urbansound(folder / "urbansound8k")


def test_sounds_are_listed_with_their_splits_and_with_what_a_study_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamps = tmp_path / "stamps"
    write_stamps(stamps)
    monkeypatch.setattr("trainer.data.audio.tuxpaint.PACKAGE_FOLDER", stamps)
    write_sounds(tmp_path)
    code, said, _ = rankfall("list", "--folder", str(tmp_path), "--json")
    rows = {row["source"]: row for row in json.loads(said)}
    assert code == 0
    assert {name for name, row in rows.items() if row["form"] == "sounds"} == set(SoundKind)
    sizes = {name: (row["train"], row["val"], row["test"]) for name, row in rows.items()}
    assert sizes["clotho"] == (2, 2, 2)
    assert sizes["esc50"] == (6, 2, 2)
    assert rows["esc50"]["classes"] == 2
    assert rows["clotho"]["classes"] is None
    for name in ("clotho", "esc50"):
        study = yaml.safe_load(rows[name]["study"])
        assert AudioSettings.model_validate(study).source == name
        assert know_pairs(AudioSettings.model_validate(study)).train_count == sizes[name][0]
    assert "expected at least 2 test clips, got 1" in rows["audiocaps"]["problem"]
    assert rows["audiocaps"]["is_here"] is False


def test_of_sounds_that_are_not_here_it_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = tmp_path / "none"
    monkeypatch.setattr("trainer.data.audio.tuxpaint.PACKAGE_FOLDER", none)
    monkeypatch.setattr("trainer.data.audio.general_midi.DEFAULT_SOUNDFONT", none)
    code, said, _ = rankfall("list", "--folder", str(tmp_path), "--json")
    rows = {row["source"]: row for row in json.loads(said)}
    assert code == 0
    assert rows["general_midi"]["get"] == "apt-get install timgm6mb-soundfont"
    assert rows["tuxpaint"]["get"] == "apt-get install tuxpaint-stamps-default"
    for name in ("audiocaps", "clotho"):
        assert rows[name]["get"].startswith("put ")
        assert rows[name]["get"].endswith(f" into {tmp_path / name}")
    for name in ("esc50", "esc10", "urbansound8k"):  # found by the names their archives have
        assert rows[name]["get"].startswith("unpack ")
        assert rows[name]["get"].endswith(f" in {tmp_path}")
    code, said, _ = rankfall("list", "--folder", str(tmp_path))
    assert code == 0
    assert "sounds with captions" in said
    assert "source: manifest" in " ".join(said.split())
    assert "sounds" in rankfall("--help")[1]
