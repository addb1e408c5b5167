"""The classes of what is tested on, by which pictures of embeddings are coloured."""

import torch
from torch import Tensor

from trainer.audio_settings import AudioSettings
from trainer.data.audio.open_source import open_audio_source
from trainer.data.images import load_images
from trainer.data.pair_facts import label_of
from trainer.settings import DataSettings


def load_test_labels(settings: DataSettings | AudioSettings) -> Tensor:
    """Return the class of every test image or clip, int64, (P,).

    A clip without a class, or with several, has :data:`~trainer.data.pair_data.NO_CLASS`.

    Raises:
        DataError: If the source is not on disk, or is damaged.
    """
    if isinstance(settings, DataSettings):
        return load_images(settings).test_labels_N
    source = open_audio_source(settings)
    return torch.tensor([label_of(source.clips[p].labels) for p in source.positions("test")])
