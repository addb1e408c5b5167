"""What studies of sounds with captions ask of the rest of a study, and studies of images."""

from collections.abc import Iterable, Mapping
from typing import get_args

from search_spaces.complaints import Complaints, nearest_of
from search_spaces.header import StudyHeader
from search_spaces.located import LocatedMapping, find_origin
from search_spaces.measures import CHECKED_MEASURES, COUPLING_MEASURES, RETRIEVAL_MEASURES
from search_spaces.settings_reader import Setting
from trainer.audio_settings import AUDIO_SOURCES, AudioSourceName
from trainer.settings import SourceName
from trainer.trial_settings import IMAGES, SOUNDS, Form

_IMAGE_EVALUATION = ("linear_probe", "nccc", "few_shot", "cdnv", "projection")
_PAIR_EVALUATION = ("zero_shot", "drift")
_OF_BOTH = CHECKED_MEASURES - RETRIEVAL_MEASURES


def form_of(sources: Iterable[object]) -> Form:
    """Return what a study is about, by its sources.

    One that is misspelt stands for the nearest, so that what else is said of it is no mistake.
    """
    names = [*get_args(SourceName), *get_args(AudioSourceName)]
    meant = {s if s in names else nearest_of(s, names) for s in sources if isinstance(s, str)}
    return SOUNDS if meant & AUDIO_SOURCES else IMAGES


def check_pair_rules(
    header: StudyHeader,
    settings: Mapping[str, Setting],
    root: LocatedMapping,
    complaints: Complaints,
) -> None:
    """Complain of what images have and pairs lack, or the other way round."""
    source = settings.get("data.source")
    is_pairs = source is not None and form_of(p.value for p in source.probes) == SOUNDS
    _check_utility(header, root, complaints, is_pairs=is_pairs)
    _check_evaluation(header, root, complaints, is_pairs=is_pairs)
    _check_metric(header, root, complaints, is_pairs=is_pairs)
    if is_pairs and header.align is not None:
        message = "compares encoders of images; an audio-text study cannot have it, leave it out"
        complaints.add(find_origin(root, ("align",)), "align", message)


def _check_utility(
    header: StudyHeader, root: LocatedMapping, complaints: Complaints, *, is_pairs: bool
) -> None:
    wrong = "knn_accuracy" if is_pairs else "recall_at_1"
    if header.collapse.utility == wrong:
        right = "recall_at_1 or train_loss" if is_pairs else "knn_accuracy or train_loss"
        kind = "an audio-text study" if is_pairs else "a study of images"
        message = (
            f"expected {right} for {kind}, got {wrong}; give e.g. "
            f"collapse: {{utility: {right.split(maxsplit=1)[0]}}}"
        )
        complaints.add(find_origin(root, ("collapse", "utility")), "collapse.utility", message)


def _check_evaluation(
    header: StudyHeader, root: LocatedMapping, complaints: Complaints, *, is_pairs: bool
) -> None:
    for name in _IMAGE_EVALUATION if is_pairs else _PAIR_EVALUATION:
        if getattr(header.evaluate, name):
            kind = "images" if is_pairs else "sounds with captions"
            message = f"is measured in studies of {kind} alone; leave it out"
            complaints.add(find_origin(root, ("evaluate", name)), f"evaluate.{name}", message)


def _check_metric(
    header: StudyHeader, root: LocatedMapping, complaints: Complaints, *, is_pairs: bool
) -> None:
    metric = None if header.optimise is None else header.optimise.metric
    if metric is None or metric in _OF_BOTH or metric in COUPLING_MEASURES:
        return
    if is_pairs == (metric in RETRIEVAL_MEASURES):
        return
    example = "val_recall_at_1" if is_pairs else "knn_accuracy"
    kind = "audio-text studies" if is_pairs else "studies of images"
    message = f"{metric} is not measured in {kind}; take e.g. {example}"
    complaints.add(find_origin(root, ("optimise", "metric")), "optimise.metric", message)
