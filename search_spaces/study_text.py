"""Reads the text of a study file, or says why it cannot be read."""

from difflib import get_close_matches
from pathlib import Path

from search_spaces.errors import StudyUnreadableError
from search_spaces.origin import Origin, Problem


def read_study_text(path: Path) -> str:
    """Return the file's text.

    Raises:
        StudyUnreadableError: If there is no such file, or it is a folder, not UTF-8, or not
            readable.
    """
    try:
        # utf-8-sig: editors on Windows like to put a byte order mark first.
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise _unreadable(path, f"no such file{_did_you_mean(path)}") from None
    except IsADirectoryError:
        raise _unreadable(path, "is a folder; give the path of a study file") from None
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text (byte {error.start}); save the file as UTF-8"
        raise _unreadable(path, message) from None
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}") from None


def _unreadable(path: Path, message: str) -> StudyUnreadableError:
    return StudyUnreadableError([Problem(Origin(str(path)), "", message)])


def _did_you_mean(path: Path) -> str:
    if not path.parent.is_dir():
        return f"; the folder {path.parent} does not exist"
    siblings = [sibling.name for sibling in path.parent.glob("*.y*ml")]
    matches = get_close_matches(path.name, siblings, n=1)
    return f"; did you mean {path.parent / matches[0]}?" if matches else ""
