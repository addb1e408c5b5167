"""A digest of the data that a study trains and tests with: what tells two sources apart.

Images count by their pixels and labels after selection and split, sounds by what
:meth:`~trainer.data.audio.source.AudioSource.digest` takes of them, with their captions.
"""

from trainer.audio_settings import AudioSettings
from trainer.data.audio.open_source import open_audio_source
from trainer.data.digests import digest_tensors, digest_texts
from trainer.data.images import know_images, load_images
from trainer.settings import DataSettings

MOST_PIXELS = 2**28
"""Values of all images together: 1 GiB in float32. Fashion-MNIST has a fifth of that."""


def digest_data(settings: DataSettings | AudioSettings) -> str | None:
    """Return a digest of what ``settings`` name; None if the images are too large to be read.

    Raises:
        DataError: If a source is not on this machine, or is damaged.
    """
    if isinstance(settings, AudioSettings):
        return _digest_sounds(settings)
    facts = know_images(settings)
    channels, height, width = facts.image_shape
    count = facts.train_count + facts.test_count
    if count * channels * height * width > MOST_PIXELS:
        return None
    data = load_images(settings)
    return digest_tensors(
        {
            "train": data.train_images_NCHW,
            "train_labels": data.train_labels_N,
            "test": data.test_images_NCHW,
            "test_labels": data.test_labels_N,
        }
    )


def _digest_sounds(settings: AudioSettings) -> str:
    source = open_audio_source(settings)
    captions = [text for clip in source.clips for texts in clip.captions.values() for text in texts]
    return digest_texts([source.digest(), *captions])
