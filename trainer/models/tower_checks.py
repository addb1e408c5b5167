"""Which towers can be built: checked from settings and folders, before anything is loaded."""

from trainer.audio_settings import AudioSettings
from trainer.models.audio_tower_check import check_audio_tower
from trainer.models.text_tower_check import check_text_tower
from trainer.tower_settings import TowersSettings


def check_towers(settings: TowersSettings, audio: AudioSettings) -> None:
    """Refuse settings that are valid one by one and make no two towers together.

    Args:
        audio: How clips are heard, which must suit pretrained encoders.

    Raises:
        ModelSettingsError: With the field below the model (``audio.weights``), what was expected
            and got, and what to do next.
    """
    check_audio_tower(settings.audio, audio)
    check_text_tower(settings.text)
