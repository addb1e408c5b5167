"""What is known of clips with captions before a sound is read."""

from dataclasses import dataclass

from trainer.audio_settings import AudioSettings
from trainer.data.audio.open_source import open_audio_source
from trainer.data.audio.source import AudioSource
from trainer.data.pair_data import NO_CLASS
from trainer.errors import DataSettingsError


@dataclass(frozen=True, slots=True)
class PairFacts:
    """Sizes of a source.

    Attributes:
        unlabelled: Train clips without a class, or with several.
        class_count: At least 1.
    """

    train_count: int
    val_count: int
    test_count: int
    unlabelled: int
    class_count: int


def know_pairs(settings: AudioSettings) -> PairFacts:
    """Return the facts of a source; captions and labels are read, and no sound.

    Raises:
        DataError: If the source is not on disk, is damaged as far as can be seen, or does not
            take the settings; if it has too few clips to train and to test with.
    """
    source = open_audio_source(settings)
    sizes = source.sizes()
    for split in ("train", "test"):
        if sizes[split] < 2:
            raise DataSettingsError(
                "source",
                f"expected at least 2 {split} clips, got {sizes[split]} in {source.place}; give a "
                "fold, val_share and test_share, or a column split, as the source takes them",
            )
    train = source.positions("train")
    labels = [label_of(source.clips[position].labels) for position in train]
    return PairFacts(
        train_count=sizes["train"],
        val_count=sizes["val"],
        test_count=sizes["test"],
        unlabelled=labels.count(NO_CLASS),
        class_count=count_classes(source),
    )


def count_classes(source: AudioSource) -> int:
    """Return how many classes a source has, 1 for one without classes."""
    return max((label + 1 for clip in source.clips for label in clip.labels), default=1)


def label_of(labels: tuple[int, ...]) -> int:
    """Return the class of a clip that has one class; else :data:`NO_CLASS`."""
    return labels[0] if len(labels) == 1 else NO_CLASS
