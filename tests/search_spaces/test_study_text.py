"""A study file that cannot be read is one clear line."""

from pathlib import Path

import pytest

from search_spaces.errors import StudyUnreadableError
from search_spaces.load import load_study
from tests.search_spaces.sample import SAMPLE, parse


def complaint_at(path: Path) -> str:
    with pytest.raises(StudyUnreadableError, match=str(path)) as caught:
        load_study(path)
    return str(caught.value)


def test_a_file_is_read_like_its_text(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(SAMPLE, encoding="utf-8")
    assert load_study(path) == parse()
    assert load_study(path, ["seeds=9"]).replicates == 9


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SAMPLE.replace("\n", "\r\n").encode())
    assert load_study(path).digest == parse().digest


def test_a_missing_file_is_answered_with_its_nearest_neighbour(tmp_path: Path) -> None:
    (tmp_path / "clop.yaml").write_text(SAMPLE)
    path = tmp_path / "clopp.yaml"
    assert complaint_at(path) == f"{path}: no such file; did you mean {tmp_path}/clop.yaml?"


def test_a_missing_file_in_a_missing_folder(tmp_path: Path) -> None:
    path = tmp_path / "none" / "s.yaml"
    assert complaint_at(path) == f"{path}: no such file; the folder {path.parent} does not exist"


def test_a_folder_is_no_study_file(tmp_path: Path) -> None:
    message = f"{tmp_path}: is a folder; give the path of a study file"
    assert complaint_at(tmp_path) == message


def test_a_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SAMPLE)
    path = tmp_path / "s.yaml" / "x"
    assert complaint_at(path) == f"{path}: cannot be read: Not a directory"


def test_text_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(b"study: caf\xe9\n")
    assert complaint_at(path) == f"{path}: is not UTF-8 text (byte 10); save the file as UTF-8"


def test_lines_of_problems_name_the_path_as_given(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(SAMPLE.replace("seeds: 2", "seeds: 0"))
    with pytest.raises(ValueError, match="seeds: expected a value of at least 1") as caught:
        load_study(path)
    assert str(caught.value).startswith(f"{path}:11: seeds: ")
