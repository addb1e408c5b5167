"""General MIDI, rendered for real: pitch, level, silence, repeatability, splits.

Nobody can listen to a test, so spectra and levels stand for it.
"""

import itertools
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trainer.audio_settings import AudioSettings
from trainer.data.audio.general_midi import DEFAULT_SOUNDFONT, OTHER_SOUNDFONT
from trainer.data.audio.midi_instruments import Instrument, all_instruments
from trainer.data.audio.open_source import open_audio_source
from trainer.data.audio.soundfont import PlayedNote, Soundfont, open_soundfont
from trainer.data.audio.source import AudioSource
from trainer.errors import BadSourceError, DataSettingsError, MissingSourceError

needs_soundfont = pytest.mark.skipif(
    not DEFAULT_SOUNDFONT.is_file(), reason="needs apt-get install timgm6mb-soundfont"
)
needs_other = pytest.mark.skipif(
    not OTHER_SOUNDFONT.is_file(),
    reason="needs apt-get install musescore-general-soundfont-small",
)
RATE_HZ = 32_000
LANGUAGES = ("en", "de", "fr", "es", "ru", "zh")
FLUTE, ORGAN, SNARE = (
    PlayedNote(False, 73, 69, 100),
    PlayedNote(False, 16, 57, 100),
    PlayedNote(True, 38, 38, 100),
)


def opened(**given: Any) -> AudioSource:
    sizes = {"train_clips": 20, "val_clips": 5, "test_clips": 10}
    midi = sizes | given.pop("general_midi", {})
    return open_audio_source(AudioSettings.model_validate({"general_midi": midi, **given}))


def font(path: Path = DEFAULT_SOUNDFONT, rate_hz: int = RATE_HZ) -> Soundfont:
    return open_soundfont(path, rate_hz)


def level_db(waveform: Tensor) -> float:
    return 10 * math.log10(waveform.square().mean().item() + 1e-20)


def fundamental_hz(waveform: Tensor, rate_hz: int) -> float:
    """Return the strongest partial."""
    size = 1 << 18
    spectrum = np.abs(np.fft.rfft(waveform.numpy() * np.hanning(len(waveform)), size))
    return float(np.argmax(spectrum)) * rate_hz / size


@needs_soundfont
@pytest.mark.parametrize("rate_hz", [16_000, 32_000, 48_000])
@pytest.mark.parametrize(("key", "hz"), [(69, 440.0), (81, 880.0), (74, 587.33)])
def test_a_flute_sounds_at_its_pitch(rate_hz: int, key: int, hz: float) -> None:
    waveform = font(rate_hz=rate_hz).render([PlayedNote(False, 73, key, 100)], rate_hz)
    assert fundamental_hz(waveform, rate_hz) == pytest.approx(hz, rel=0.01)


@needs_soundfont
def test_higher_velocities_are_louder() -> None:
    for note in (FLUTE, SNARE, ORGAN):
        levels = [
            level_db(
                font().render(
                    [PlayedNote(note.is_percussion, note.program, note.key, velocity)], RATE_HZ
                )
            )
            for velocity in (36, 62, 88, 127)
        ]
        assert all(louder > softer + 1 for softer, louder in itertools.pairwise(levels))


def outermost_notes(instrument: Instrument) -> set[PlayedNote]:
    return {
        PlayedNote(instrument.is_percussion, instrument.number, key, velocity)
        for key in (instrument.low, instrument.high)
        for velocity in (36, 127)
    }


@needs_soundfont
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(DEFAULT_SOUNDFONT, id="TimGM6mb"),
        pytest.param(OTHER_SOUNDFONT, id="MuseScore", marks=[needs_other, pytest.mark.slow]),
    ],
)
def test_no_instrument_is_silent_at_the_ends_of_its_range(path: Path) -> None:
    # Two thirds of a second: the shortest event of a clip. The softest real sound is -77 dB.
    for instrument in all_instruments():
        for note in outermost_notes(instrument):
            waveform = font(path).render([note], 2 * RATE_HZ // 3)
            assert level_db(waveform) > -80, (instrument.code, note)
            assert waveform.abs().max() < 2.0


@needs_soundfont
def test_events_sound_one_after_the_other() -> None:
    waveform = font().render([FLUTE, ORGAN], 2 * RATE_HZ)
    first, second = waveform[:RATE_HZ], waveform[RATE_HZ:]
    assert fundamental_hz(first, RATE_HZ) == pytest.approx(440.0, rel=0.01)
    organ = font().render([ORGAN], RATE_HZ)
    assert fundamental_hz(second, RATE_HZ) == pytest.approx(
        fundamental_hz(organ, RATE_HZ), rel=0.01
    )


@needs_soundfont
def test_a_clip_depends_on_nothing_that_was_played_before() -> None:
    alone = Soundfont(DEFAULT_SOUNDFONT, RATE_HZ).render([FLUTE, SNARE], 40_000)
    shared = font()
    for before in ([ORGAN, ORGAN, ORGAN], [SNARE], [FLUTE, SNARE]):
        shared.render(before, 1000)
        assert torch.equal(shared.render([FLUTE, SNARE], 40_000), alone)


@needs_soundfont
def test_a_source_has_clips_captions_and_sounds() -> None:
    source = opened(languages=LANGUAGES)
    assert source.sizes() == {"train": 20, "val": 5, "test": 10}
    for clip in source.clips:
        assert tuple(clip.captions) == LANGUAGES
        assert all(len(texts) == 3 for texts in clip.captions.values())
        for label in clip.labels:
            for language, texts in clip.captions.items():
                assert all(source.class_names[language][label] in text for text in texts)
    for position in range(10):
        waveform = source.read(position)
        assert waveform.shape == (64_000,)
        assert waveform.dtype == torch.float32
        assert level_db(waveform) > -70
        assert torch.equal(waveform, source.read(position))


@needs_soundfont
def test_equal_settings_open_equal_sources() -> None:
    assert opened().clips == opened().clips
    assert opened().digest() == opened().digest()


@needs_soundfont
def test_a_source_can_be_sent_to_another_process() -> None:
    source = opened()
    sent = pickle.loads(pickle.dumps(source))
    assert sent == source
    assert torch.equal(sent.read(0), source.read(0))


@needs_soundfont
@pytest.mark.parametrize(
    "changed",
    [
        {"split_seed": 1},
        {"clip_seconds": 1.0},
        {"sample_rate_hz": 16_000},
        {"general_midi": {"train_clips": 21}},
    ],
)
def test_other_sounds_have_another_digest(changed: dict[str, Any]) -> None:
    assert opened().digest() != opened(**changed).digest()


@needs_soundfont
def test_captions_are_no_part_of_the_digest() -> None:
    other = opened(languages=("zh",), general_midi={"captions": 5, "touch": True})
    assert opened().digest() == other.digest()


@needs_soundfont
@needs_other
@pytest.mark.slow
def test_a_test_soundfont_renders_the_test_clips_alone() -> None:
    same, other = opened(), opened(general_midi={"test_soundfont": str(OTHER_SOUNDFONT)})
    assert same.clips == other.clips
    assert same.digest() != other.digest()
    for position in same.positions("train")[:3]:
        assert torch.equal(same.read(position), other.read(position))
    for position in same.positions("test")[:3]:
        assert not torch.allclose(same.read(position), other.read(position), atol=1e-3)
        assert level_db(other.read(position)) > -80


def test_a_missing_soundfont_says_what_to_install() -> None:
    for name in ("soundfont", "test_soundfont"):
        given = {"soundfont": __file__, name: "/nowhere/GM.sf2"}
        with pytest.raises(
            MissingSourceError, match=rf"general_midi\.{name}: .*apt-get install timgm6mb-soundfont"
        ):
            opened(general_midi=given)


def test_a_relative_soundfont_is_refused() -> None:
    with pytest.raises(DataSettingsError, match=r"absolute path of a soundfont, got 'GM\.sf2'"):
        opened(general_midi={"soundfont": "GM.sf2"})


def test_a_file_that_is_no_soundfont_is_named() -> None:
    source = opened(general_midi={"soundfont": __file__})
    with pytest.raises(BadSourceError, match=r"test_general_midi\.py: expected a soundfont"):
        source.read(0)


@needs_soundfont
def test_a_language_without_names_is_refused() -> None:
    with pytest.raises(DataSettingsError, match=r"General MIDI has captions in en, de, .*'nl'"):
        opened(languages=("nl",))
