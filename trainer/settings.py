"""What one trial is made of, apart from its objective: data, model, optimiser, checks.

These models are the boundary where YAML or a Ray dict comes in, so they are frozen pydantic
models that refuse unknown keys. Everything here except the learning rate and the objective is
shared by the members of a cohort.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from trainer.objective_settings import ObjectiveSettings

PositiveInt = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Momentum = Annotated[float, Field(ge=0.0, lt=1.0)]
Norm = Literal["batch", "layer", "none"]


class Frozen(BaseModel):
    """Base of every settings model: immutable, unknown keys refused, no NaN or infinity."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True
    )


class AugmentSettings(Frozen):
    """Random view of an image: shift, scale, intensity, noise. Zero switches a part off."""

    shift_pixels: Annotated[float, Field(ge=0.0, le=8.0)] = 1.0
    scale: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.15
    intensity: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.25
    noise_std: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1


class DataSettings(Frozen):
    """Which images, how they are split (fixed by ``split_seed``, shared by all replicates)."""

    source: Literal["digits"]
    test_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.3
    split_seed: Annotated[int, Field(ge=0)] = 0
    augment: AugmentSettings = AugmentSettings()


class ModelSettings(Frozen):
    """An MLP encoder (``hidden`` widths, ReLU) and a projection head to ``embed_dim``."""

    encoder: Literal["mlp"]
    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (128, 128)
    head_hidden: tuple[PositiveInt, ...] = ()
    embed_dim: Annotated[int, Field(ge=2)] = 32
    norm: Norm = "none"


class TrainSettings(Frozen):
    """How long and by which optimiser; the learning rate is an axis of its own (``lr``)."""

    batch_size: Annotated[int, Field(ge=2)] = 256
    steps: PositiveInt = 400
    optimizer: Literal["sgd", "adam"] = "sgd"
    momentum: Momentum = 0.9
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0


class CollapseSettings(Frozen):
    """What counts as collapsed, how often it is checked, and when a member is decided early.

    A member is decided early when ``settle_checks`` checks in a row lie below
    ``below - margin`` (or it diverged); a share ``audit`` of such members, drawn by seed, is
    trained to the end all the same, so that the report can say how often early was wrong.
    ``settle_checks: 0`` trains every member to the end. Collapse in the first steps is often
    transient: on the digits, 3 checks of 25 steps below 1.5 were wrong for 5 of 12 audited
    members; 6 checks below 1.01 for none of 7.

    A member that kept its rank is healthy if it improved on ``utility`` since its first weights,
    and undertrained otherwise: ``knn_accuracy`` of the encoder's features on the test images, or
    ``train_loss``, where the data are so easy that random features classify them already.
    """

    metric: Literal["effective_rank", "rankme", "stable_rank", "participation_ratio"] = (
        "effective_rank"
    )
    below: Annotated[float, Field(gt=1.0)] = 2.0
    every_steps: PositiveInt = 25
    settle_checks: Annotated[int, Field(ge=0)] = 6
    margin: Annotated[float, Field(ge=0.0)] = 0.99
    audit: Fraction = 0.1
    utility: Literal["knn_accuracy", "train_loss"] = "knn_accuracy"


LearningRate = Annotated[float, Field(gt=0.0)]


class TrialSettings(Frozen):
    """Everything that fixes one trial but its replicate."""

    data: DataSettings
    model: ModelSettings
    train: TrainSettings = TrainSettings()
    objective: ObjectiveSettings
    lr: LearningRate
    collapse: CollapseSettings = CollapseSettings()
