"""What a finished trial measures, by name."""

from typing import Literal, get_args

CouplingMeasure = Literal[
    "cka_features",
    "cka_projections",
    "rsa_features",
    "rsa_projections",
    "weight_gap",
    "loss_gap",
    "loss_gap_slack",
    "cka_features_train",
    "cka_projections_train",
    "cka_features_unshared",
    "cka_projections_unshared",
]
"""How alike a trial is to its reference, in a study with ``align``."""

COUPLING_MEASURES: frozenset[str] = frozenset(get_args(CouplingMeasure))

TrainingMeasure = Literal[
    "train_loss",
    "effective_rank",
    "rankme",
    "stable_rank",
    "participation_ratio",
    "total_variance",
    "uniformity",
    "alignment",
]
"""What training measures of any trial, of its loss and of its embeddings."""

RetrievalMeasure = Literal[
    "recall_at_1",
    "recall_at_1_en",
    "recall_at_1_fr",
    "recall_at_1_de",
    "recall_at_1_es",
    "recall_at_1_ru",
    "recall_at_1_zh",
    "text_to_audio_recall_at_1",
    "text_to_audio_recall_at_5",
    "text_to_audio_recall_at_10",
    "text_to_audio_map_at_10",
    "audio_to_text_recall_at_1",
    "audio_to_text_recall_at_5",
    "audio_to_text_recall_at_10",
    "audio_to_text_map_at_10",
    "val_recall_at_1",
    "val_text_to_audio_recall_at_1",
    "val_audio_to_text_recall_at_1",
    "zero_shot_accuracy",
    "drift_grad_text",
    "drift_grad_audio",
    "drift_grad_tangent_text",
    "drift_grad_tangent_audio",
    "drift_step_text",
    "drift_step_audio",
    "pair_distance",
    "radius",
    "radius_over_distance",
    "perpendicular_share",
    "effective_rank_audio",
    "effective_rank_text",
]
"""What is measured of audio-text trials alone."""

RETRIEVAL_MEASURES: frozenset[str] = frozenset(get_args(RetrievalMeasure))

CHECKED_MEASURES: frozenset[str] = RETRIEVAL_MEASURES | set(get_args(TrainingMeasure))
"""What is measured at every check of training, of images or of sounds."""

Measure = Literal[
    "knn_accuracy",
    "probe_accuracy",
    "nccc_accuracy",
    "few_shot_accuracy",
    "knn_accuracy_projection",
    "probe_accuracy_projection",
    "nccc_accuracy_projection",
    "few_shot_accuracy_projection",
    "cdnv_features",
    "cdnv_projections",
    TrainingMeasure,
    CouplingMeasure,
    RetrievalMeasure,
]
"""What a finished trial measures (``Outcome.measures``).

Those of ``rules.EVALUATE_MEASURES`` only where ``evaluate`` asks for them, those of
``COUPLING_MEASURES`` only with ``align``: against the reference, for other kinds than it; the
``loss_gap`` for ``nscl`` against ``cl`` alone; ``unshared`` with ``align.unshared``, for all.
"""
