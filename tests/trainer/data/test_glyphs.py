"""Glyphs: what is drawn, which fonts are left out, and that no family is on both sides."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from trainer.data import glyph_fonts
from trainer.data.feature_cache import FOLDER_VARIABLE
from trainer.data.glyph_fonts import CHARACTERS, draw_font, draw_fonts, family_of, list_fonts
from trainer.data.glyphs import PACKAGE_FOLDER, draw_test_fonts
from trainer.data.image_source import Bytes
from trainer.data.images import know_images, load_images, open_source
from trainer.errors import BadSourceError, DataSettingsError, MissingSourceError
from trainer.probes import knn_accuracy
from trainer.settings import DataSettings

# Fonts that come with matplotlib. The last three have no letters.
SHIPPED = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
FAMILIES = {
    "dejavu": ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf"),
    "stixgeneral": ("STIXGeneral.ttf", "STIXGeneralBol.ttf"),
    "cmr10": ("cmr10.ttf",),
    "cmss10": ("cmss10.ttf",),
    "cmtt10": ("cmtt10.ttf",),
}
LETTERLESS = ("LastResortHE-Regular.ttf", "STIXSizOneSymReg.ttf", "DejaVuSansDisplay.ttf")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))


@pytest.fixture
def fonts(tmp_path: Path) -> Path:
    """A folder of nine fonts of five families, and three without letters."""
    folder = tmp_path / "fonts"
    (folder / "deeper").mkdir(parents=True)
    for name in (*(n for names in FAMILIES.values() for n in names), *LETTERLESS):
        place = folder / "deeper" if name.startswith("cm") else folder
        shutil.copy(SHIPPED / name, place / name)
    (folder / "README.txt").write_text("no font")
    return folder


def glyphs(folder: Path | None, **changes: object) -> DataSettings:
    given = {"source": "glyphs", "folder": None if folder is None else str(folder)}
    return DataSettings.model_validate({**given, **changes})


def reference_glyph(path: Path, character: str) -> Bytes:
    """Draw on a large canvas, find the ink with numpy, shrink by averaging."""
    canvas = Image.new("L", (400, 400))
    ImageDraw.Draw(canvas).text((100, 60), character, 255, ImageFont.truetype(path, 200))
    ink = np.asarray(canvas)
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    cut = Image.fromarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    scale = 24 / max(cut.size)
    width, height = (max(1, round(side * scale)) for side in cut.size)
    picture = Image.new("L", (28, 28))
    small = cut.resize((width, height), Image.Resampling.BOX)
    picture.paste(small, ((28 - width) // 2, (28 - height) // 2))
    return np.asarray(picture)


@pytest.mark.parametrize("name", ["DejaVuSerif.ttf", "cmss10.ttf"])
def test_pictures_are_those_of_an_independent_drawing(name: str) -> None:
    # Alike, not equal: thin strokes fall onto pixels otherwise when they are shrunk otherwise.
    pictures = draw_font(SHIPPED / name, 28).reshape(36, -1)
    references = np.stack([reference_glyph(SHIPPED / name, c).ravel() for c in CHARACTERS])
    correlations = np.corrcoef(pictures, references)[:36, 36:]
    assert correlations.argmax(axis=1).tolist() == list(range(36))
    assert correlations.diagonal().min() > 0.75


@pytest.mark.parametrize("size", [8, 28, 33])
def test_the_longer_side_fills_the_image_but_for_the_margin(size: int) -> None:
    margin = round(size / 14)
    for picture in draw_font(SHIPPED / "DejaVuSans.ttf", size):
        for side in (picture.any(0), picture.any(1)):
            first, last = np.flatnonzero(side)[[0, -1]]
            assert first >= margin
            assert last < size - margin
            assert abs(first - (size - 1 - last)) <= 2  # centred
        sides = [np.ptp(np.flatnonzero(picture.any(axis))) + 1 for axis in (0, 1)]
        assert max(sides) >= size - 2 * margin - 2


@pytest.mark.parametrize("name", LETTERLESS)
def test_fonts_without_letters_are_left_out(name: str) -> None:
    assert not draw_font(SHIPPED / name, 28).any()


def test_damaged_fonts_are_left_out(fonts: Path) -> None:
    whole = (SHIPPED / "cmr10.ttf").read_bytes()
    (fonts / "cut.ttf").write_bytes(whole[:3000])
    (fonts / "empty.otf").write_bytes(b"")
    for name in ("cut.ttf", "empty.otf"):
        assert not draw_font(fonts / name, 28).any()
        assert family_of(fonts / name) in (name.split(".")[0], "cmr10")
    assert know_images(glyphs(fonts)).train_count + know_images(glyphs(fonts)).test_count == 324


def test_classes_are_of_equal_size_in_both_splits(fonts: Path) -> None:
    facts, data = know_images(glyphs(fonts)), load_images(glyphs(fonts))
    assert facts.class_count == data.class_count == 36
    assert facts.image_shape == data.image_shape == (1, 28, 28)
    for count, labels in (
        (facts.train_count, data.train_labels_N),
        (facts.test_count, data.test_labels_N),
    ):
        assert labels.bincount(minlength=36).tolist() == [count // 36] * 36
    assert facts.train_count + facts.test_count == 9 * 36


@pytest.mark.parametrize("seed", range(4))
def test_a_family_is_on_one_side_alone_and_labels_stay_with_their_pictures(
    fonts: Path, seed: int
) -> None:
    source = open_source(glyphs(fonts, split_seed=seed, test_fraction=0.4))
    known = {
        picture.tobytes(): (family_of(path), label)
        for path in list_fonts(fonts)
        for label, picture in enumerate(draw_font(path, 28))
    }
    sides: list[set[str]] = []
    assert source.test is not None
    for split in (source.train, source.test):
        found = [known[p.tobytes()] for p in split.read(np.arange(len(split.labels_N)))]
        assert [label for _, label in found] == split.labels_N.tolist()
        sides.append({family for family, _ in found})
    assert not sides[0] & sides[1]
    assert sides[0] | sides[1] == set(FAMILIES)


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=12),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 99),
)
def test_whole_families_test_until_they_have_their_share(
    sizes: list[int], fraction: float, seed: int
) -> None:
    families = [f"family {n}" for n, size in enumerate(sizes) for _ in range(size)]
    is_test = draw_test_fonts(families, fraction, seed)
    assert is_test.tolist() == draw_test_fonts(families, fraction, seed).tolist()
    assert is_test.any()
    assert not is_test.all()
    testing = {name for name, tests in zip(families, is_test, strict=True) if tests}
    assert not testing & {name for name, tests in zip(families, is_test, strict=True) if not tests}
    wanted = fraction * len(families)
    assert is_test.sum() >= wanted or len(testing) == len(sizes) - 1
    assert is_test.sum() < wanted + 1 + max(sizes)


def test_other_seeds_draw_other_fonts() -> None:
    families = [f"family {n}" for n in range(30)]
    draws = {draw_test_fonts(families, 0.3, seed).tobytes() for seed in range(5)}
    assert len(draws) == 5


@pytest.fixture
def drawn(fonts: Path) -> Bytes:
    """The pictures of the fonts, which are in the cache from then on."""
    return draw_fonts(list_fonts(fonts), 28).copy()


@pytest.fixture
def no_drawing(drawn: Bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    assert drawn.any()

    def refuse(*_: object) -> None:
        raise AssertionError("drawn again")

    with monkeypatch.context() as patch:
        patch.setattr(glyph_fonts, "draw_font", refuse)
        yield


@pytest.mark.usefixtures("no_drawing")
class TestCache:
    def test_the_second_time_nothing_is_drawn(self, drawn: Bytes, fonts: Path) -> None:
        assert np.array_equal(draw_fonts(list_fonts(fonts), 28), drawn)

    def test_another_size_and_another_font_are_drawn_anew(self, fonts: Path) -> None:
        with pytest.raises(AssertionError, match="drawn again"):
            draw_fonts(list_fonts(fonts), 27)
        shutil.copy(SHIPPED / "cmtt10.ttf", fonts / "deeper" / "cmr10.ttf")
        with pytest.raises(AssertionError, match="drawn again"):
            draw_fonts(list_fonts(fonts), 28)


def test_a_broken_cache_is_drawn_anew(drawn: Bytes, fonts: Path, tmp_path: Path) -> None:
    (file,) = (tmp_path / "cache" / "glyphs").glob("*.features")
    content = bytearray(file.read_bytes())
    content[-1000] ^= 1
    file.write_bytes(content)
    assert np.array_equal(draw_fonts(list_fonts(fonts), 28), drawn)
    file.write_bytes(content[:5000])
    assert np.array_equal(draw_fonts(list_fonts(fonts), 28), drawn)


def test_without_a_cache_glyphs_are_drawn_all_the_same(
    drawn: Bytes, fonts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, "/proc/none")
    assert np.array_equal(draw_fonts(list_fonts(fonts), 28), drawn)


def test_what_is_missing_is_named_with_the_command_that_gets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.data.glyphs.PACKAGE_FOLDER", tmp_path / "none")
    with pytest.raises(MissingSourceError, match=r"no folder .*apt-get install fonts-aenigma"):
        know_images(glyphs(None))
    with pytest.raises(MissingSourceError, match=r"no fonts below .*apt-get install fonts-aenigma"):
        know_images(glyphs(tmp_path))


def test_a_single_family_cannot_be_split(fonts: Path) -> None:
    for path in list_fonts(fonts):
        if family_of(path) not in ("dejavu", "stixsizeonesym"):
            path.unlink()
    with pytest.raises(
        BadSourceError, match=r"at least 2 families .* got 1 \(4 of 6 fonts can be used\)"
    ):
        know_images(glyphs(fonts))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "rgb"}, "colour: glyphs are grey"),
        ({"image_size": 200}, "image_size: glyphs have at most 128 pixels"),
        ({"test_fraction": None}, "test_fraction: expected a number"),
        ({"classes": 37}, "classes: expected at most 36, the classes that glyphs has, got 37"),
    ],
)
def test_settings_that_do_not_apply_are_refused(
    fonts: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(DataSettingsError, match=message):
        know_images(glyphs(fonts, **changes))


@pytest.mark.slow
@pytest.mark.skipif(not PACKAGE_FOLDER.is_dir(), reason="fonts-aenigma is not installed")
def test_raw_pixels_of_unseen_fonts_tell_most_characters() -> None:
    data = load_images(glyphs(None, limit=3600))
    accuracy = knn_accuracy(
        data.train_images_NCHW.flatten(1),
        data.train_labels_N,
        data.test_images_NCHW.flatten(1),
        data.test_labels_N,
        neighbours=20,
    )
    assert 0.35 < float(accuracy) < 0.8  # of 36; far above chance, far from solved
