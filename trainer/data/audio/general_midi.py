"""General MIDI instruments rendered from a soundfont: sounds and captions for any machine.

Shape legend: L = samples of a clip.
"""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from trainer.audio_settings import AudioSettings, GeneralMidiSettings
from trainer.data.audio.assemble import check_languages_of, refuse_given
from trainer.data.audio.midi_captions import write_captions
from trainer.data.audio.midi_instruments import LANGUAGES, Instrument, pick_instruments
from trainer.data.audio.midi_notes import NoteDrawer, Notes
from trainer.data.audio.soundfont import PlayedNote, fingerprint_soundfont, open_soundfont
from trainer.data.audio.source import SPLITS, AudioSource, Clip, Split
from trainer.errors import DataSettingsError, MissingSourceError
from trainer.seeds import derive_seed

DEFAULT_SOUNDFONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
OTHER_SOUNDFONT = Path("/usr/share/sounds/sf3/MuseScore_General_Lite.sf3")
"""Other recordings of the same instruments. TinySoundFont plays its pianos (programs 0, 1 and 3)
20 to 40 dB softer than the rest, and not always louder at a higher velocity."""

_HOW_TO_GET = (
    f"run: apt-get install timgm6mb-soundfont ({DEFAULT_SOUNDFONT}), for another one "
    f"apt-get install musescore-general-soundfont-small ({OTHER_SOUNDFONT}), or give the path of "
    "any General MIDI soundfont"
)


@dataclass(frozen=True, slots=True)
class RenderedNotes:
    """The sounds of rendered clips.

    Attributes:
        clips: What each plays, and from which soundfont.
        instruments: Which the notes name by position.
        samples: Length of every clip, L.
        sample_rate_hz: Of every clip.
    """

    clips: tuple[tuple[Notes, Path], ...]
    instruments: tuple[Instrument, ...]
    samples: int
    sample_rate_hz: int

    def read(self, position: int) -> Tensor:
        """Render a clip, (L,); see ``Recordings.read``."""
        notes, soundfont = self.clips[position]
        return open_soundfont(soundfont, self.sample_rate_hz).render(
            [self._played(note.instrument, note.key, note.velocity) for note in notes],
            self.samples,
        )

    def fingerprint(self, position: int) -> str:
        """Return what is played, from which soundfont."""
        notes, soundfont = self.clips[position]
        played = [(self.instruments[n.instrument].code, n.key, n.velocity) for n in notes]
        font = fingerprint_soundfont(soundfont)
        return f"{played} {font} {self.samples} {self.sample_rate_hz}"

    def _played(self, instrument: int, key: int, velocity: int) -> PlayedNote:
        kind = self.instruments[instrument]
        return PlayedNote(kind.is_percussion, kind.number, key, velocity)


def open_general_midi(settings: AudioSettings) -> AudioSource:
    """Draw clips and write their captions; sounds are rendered when they are read.

    Labels are the instruments in the order they sound; clips of several have several labels.

    Raises:
        MissingSourceError: If a soundfont is not there.
        DataSettingsError: If a language is not one of the six, more clips are asked for than
            there are, or settings are given that do not apply.
    """
    refuse_given(settings, "folder", "fold", "val_share", "test_share", "limit", "file_rate_hz")
    if settings.imbalance != 1:
        raise DataSettingsError(
            "imbalance", "general_midi draws its clips by general_midi.imbalance; give that instead"
        )
    check_languages_of(settings, LANGUAGES, "General MIDI")
    midi = settings.general_midi or GeneralMidiSettings()
    soundfonts = _soundfonts(midi)
    instruments = pick_instruments(midi.instruments)
    drawer = NoteDrawer(midi, instruments, settings.split_seed)
    counts = {"train": midi.train_clips, "val": midi.val_clips, "test": midi.test_clips}
    drawn = [(split, notes) for split in SPLITS for notes in drawer.draw(split, counts[split])]
    clips = _clips(drawn, midi, instruments, settings)
    recordings = RenderedNotes(
        clips=tuple((notes, soundfonts[split]) for split, notes in drawn),
        instruments=instruments,
        samples=settings.clip_samples,
        sample_rate_hz=settings.sample_rate_hz,
    )
    return AudioSource(
        place=str(soundfonts["train"]),
        clips=clips,
        languages=settings.languages,
        class_names={
            language: tuple(instrument.names[language] for instrument in instruments)
            for language in LANGUAGES
        },
        sample_rate_hz=settings.sample_rate_hz,
        recordings=recordings,
    )


def _soundfonts(midi: GeneralMidiSettings) -> dict[Split, Path]:
    first = _existing("soundfont", midi.soundfont or str(DEFAULT_SOUNDFONT))
    test = first
    if midi.test_soundfont is not None:
        test = _existing("test_soundfont", midi.test_soundfont)
    return {"train": first, "val": first, "test": test}


def _existing(name: str, text: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise DataSettingsError(
            f"general_midi.{name}", f"expected the absolute path of a soundfont, got {text!r}"
        )
    if not path.is_file():
        raise MissingSourceError(
            f"general_midi.{name}", f"there is no soundfont {path}; {_HOW_TO_GET}"
        )
    return path


def _clips(
    drawn: list[tuple[Split, Notes]],
    midi: GeneralMidiSettings,
    instruments: tuple[Instrument, ...],
    settings: AudioSettings,
) -> tuple[Clip, ...]:
    numbers = dict.fromkeys(SPLITS, 0)
    clips: list[Clip] = []
    for split, notes in drawn:
        name = f"{split}/{numbers[split]:06d}"
        numbers[split] += 1
        seed = derive_seed(settings.split_seed, "midi-caption", name)
        captions = {
            language: write_captions(
                notes, instruments, language, count=midi.captions, touch=midi.touch, seed=seed
            )
            for language in settings.languages
        }
        clips.append(Clip(name, split, captions, tuple(note.instrument for note in notes)))
    return tuple(clips)
