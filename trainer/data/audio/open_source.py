"""One way in: from settings to an audio source."""

from typing import assert_never

from trainer.audio_settings import AudioSettings
from trainer.data.audio.audiocaps import open_audiocaps
from trainer.data.audio.clotho import open_clotho
from trainer.data.audio.folds import open_esc, open_urbansound
from trainer.data.audio.general_midi import open_general_midi
from trainer.data.audio.manifest import open_manifest
from trainer.data.audio.source import AudioSource
from trainer.data.audio.tuxpaint import open_tuxpaint


def open_audio_source(settings: AudioSettings) -> AudioSource:
    """Return ids, splits, labels and captions; no sound is decoded or rendered yet.

    Raises:
        MissingSourceError: If the source is not on disk; the message names the command or
            archive to get.
        BadSourceError: If it is damaged; BadClipError names file and row.
        DataSettingsError: If it does not take a setting, or not this value of it.
    """
    match settings.source:
        case "general_midi":
            opened = open_general_midi
        case "tuxpaint":
            opened = open_tuxpaint
        case "audiocaps":
            opened = open_audiocaps
        case "clotho":
            opened = open_clotho
        case "esc50" | "esc10":
            opened = open_esc
        case "urbansound8k":
            opened = open_urbansound
        case "manifest":
            opened = open_manifest
        case _:
            assert_never(settings.source)
    return opened(settings)
