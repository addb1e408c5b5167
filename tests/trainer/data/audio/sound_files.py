"""Writes tiny audio datasets as they are published: real sound files, real CSV."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile  # type: ignore[import-untyped]

RATE_HZ = 44_100


def sine(hz: float, seconds: float, rate_hz: int = RATE_HZ) -> npt.NDArray[np.float32]:
    """Return a sine of amplitude 0.5."""
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * hz * times)).astype(np.float32)


def write_sound(
    path: Path,
    *,
    hz: float = 440.0,
    seconds: float = 0.2,
    rate_hz: int = RATE_HZ,
    channels: int = 1,
) -> None:
    """Write a sine, alike in all channels; folders need not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = sine(hz, seconds, rate_hz)
    soundfile.write(path, np.stack([wave] * channels, axis=1), rate_hz)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file; folders need not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def write_manifest(folder: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write a manifest and a sound for each of its rows."""
    for row in rows:
        write_sound(folder / str(row["path"]))
    write_csv(folder / "manifest.csv", tuple(rows[0]), [tuple(row.values()) for row in rows])


def write_clotho(folder: Path, *, each: int = 2, prefix: str = "") -> None:
    """Write Clotho's three CSV files and folders; all splits use the same file names."""
    columns = ("file_name", *(f"caption_{i}" for i in range(1, 6)))
    for split in ("development", "validation", "evaluation"):
        names = [f"rain on a roof {number}.wav" for number in range(each)]
        write_csv(
            folder / f"clotho_captions_{split}.csv",
            columns,
            [(name, *(f"{split} {name}, caption {i}" for i in range(1, 6))) for name in names],
        )
        for name in names:
            write_sound(folder / f"{prefix}{split}" / name)


def write_audiocaps(folder: Path, *, name: str = "{video}", inside: str | None = None) -> None:
    """Write AudioCaps: two train clips, one val and one test clip with five captions each."""
    columns = ("audiocap_id", "youtube_id", "start_time", "caption")
    captions = {"train": [("v0", 1), ("v1", 1)], "val": [("v2", 5)], "test": [("v3", 5)]}
    number = 0
    for split, clips in captions.items():
        rows: list[tuple[object, ...]] = []
        for video, count in clips:
            first = number
            for caption in range(count):
                rows.append((number, video, 30, f"{video} caption {caption}, with a comma"))
                number += 1
            file_name = name.format(video=video, start=30, number=first)
            write_sound(folder / (inside or split) / f"{file_name}.wav")
        write_csv(folder / f"{split}.csv", columns, rows)


def write_esc(folder: Path) -> None:
    """Write ESC-50 with one clip of two classes in each of five folds; one class is ESC-10's."""
    columns = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
    rows: list[tuple[object, ...]] = []
    for fold in range(1, 6):
        for target, category in ((0, "dog"), (37, "clock_alarm")):
            name = f"{fold}-100-A-{target}.wav"
            rows.append((name, fold, target, category, target == 0, 100, "A"))
            write_sound(folder / "audio" / name)
    write_csv(folder / "meta" / "esc50.csv", columns, rows)


def write_urbansound(folder: Path) -> None:
    """Write UrbanSound8K with one clip in each of ten folds, of two classes in turn."""
    columns = (
        *("slice_file_name", "fsID", "start", "end"),
        *("salience", "fold", "classID", "class"),
    )
    rows: list[tuple[object, ...]] = []
    for fold in range(1, 11):
        number, name = (3, "dog_bark") if fold % 2 else (0, "air_conditioner")
        file_name = f"100032-{number}-0-{fold}.wav"
        rows.append((file_name, 100032, 0.0, 0.2, 1, fold, number, name))
        write_sound(folder / "audio" / f"fold{fold}" / file_name)
    write_csv(folder / "metadata" / "UrbanSound8K.csv", columns, rows)


def write_stamps(folder: Path) -> None:
    """Write Tux Paint's stamps: four sounds, one of them spoken, one without French."""
    texts = {
        "animals/birds/crow": "A crow.\nfr.utf8=Un corbeau.\npt.utf8=Um corvo.\n"
        "pt_BR.utf8=Uma gralha.\nsr@latin.utf8=Vrana.\nen_GB.utf8=A crow.\nkab.utf8=Agerfiw.\n",
        "animals/mammals/dog": "A dog.\nfr.utf8=Un chien.\n",
        "vehicles/train": "A train.\nfr.utf8=Un train.\n",
        "household/kettle": "A kettle.\nfr.utf8=\n",
        "symbols/math/1": "One.\nfr.utf8=Un.\n",
    }
    for name, text in texts.items():
        suffix = ".wav" if name == "vehicles/train" else ".ogg"
        write_sound(folder / f"{name}{suffix}")
        (folder / f"{name}.txt").write_text(text, "utf-8")
    write_sound(folder / "animals/birds/crow_desc_fr.ogg")
    (folder / "animals/birds/heron.txt").write_text("A heron.\n", "utf-8")
