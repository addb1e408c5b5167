"""What a cohort is: members that share model, batches and augmentations (design: "the cohort").

A cohort crosses process borders as JSON, and so do its outcomes; both are frozen models.
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from trainer.collapse.regime import Regime
from trainer.objective_settings import ObjectiveSettings
from trainer.settings import (
    CollapseSettings,
    EvaluateSettings,
    Frozen,
    LearningRate,
    Norm,
    Schedule,
    SharedTrainSettings,
    TrainSettings,
    WarmupSteps,
    WeightDecay,
)
from trainer.trial_settings import AnyDataSettings, AnyModelSettings


class Pruning(Frozen):
    """What a member must reach at some checks to be trained on: the rungs of successive halving.

    Bounds are known before training begins, so that nobody's steps depend on a neighbour's.

    Attributes:
        metric: One of the measures of a check, or ``train_loss``.
        direction: Which way is better.
        steps: After which steps; each is a check.
        bounds: At each, the worst value that is trained on.
    """

    metric: str
    direction: Literal["maximize", "minimize"]
    steps: tuple[int, ...]
    bounds: tuple[float, ...]

    def ends(self, step: int, value: float) -> bool:
        """Whether a member with this value after this step is trained no further."""
        if step not in self.steps:
            return False
        bound = self.bounds[self.steps.index(step)]
        return value < bound if self.direction == "maximize" else value > bound


class Member(Frozen):
    """One trial inside a cohort.

    ``seed`` is the replicate's seed: members with equal seeds start from the same weights and
    see the same batches and augmentations (paired randomness). ``norm`` is the member's own
    normalisation; None takes the cohort's. ``couple`` names the couple it belongs to, which stays
    in one pack to its end and is compared with its reference, the one of its replicate.
    ``unshared`` is the trial of another replicate's reference, in the same couple, which it is
    compared with at its end. ``pruning`` ends it early if others were better by then.
    """

    trial: str
    replicate: Annotated[int, Field(ge=0)]
    seed: Annotated[int, Field(ge=0)]
    lr: LearningRate
    weight_decay: WeightDecay = 0.0
    warmup_steps: WarmupSteps = 0
    schedule: Schedule = "constant"
    objective: ObjectiveSettings
    audited: bool = False
    norm: Norm | None = None
    couple: str | None = None
    is_reference: bool = False
    unshared: str | None = None
    pruning: Pruning | None = None


class Cohort(Frozen):
    """Members that are trained together, and all that they share.

    Members may differ in ``model.norm``: it is then the one with the most tensors (none < layer
    < batch), which all members hold.
    """

    cohort_id: str
    data: AnyDataSettings
    model: AnyModelSettings
    train: SharedTrainSettings
    collapse: CollapseSettings
    evaluate: EvaluateSettings = EvaluateSettings()
    members: Annotated[tuple[Member, ...], Field(min_length=1)]

    @field_validator("train", mode="before")
    @classmethod
    def _keep_what_is_shared(cls, train: object) -> object:
        if not isinstance(train, TrainSettings):
            return train
        if train.model_fields_set - SharedTrainSettings.model_fields.keys():
            raise ValueError("weight decay, warm-up and schedule are each member's own")
        return train.shared()


class History(Frozen):
    """Measures at the checks of one trial: ``values[name][i]`` was measured after ``steps[i]``."""

    steps: tuple[int, ...]
    values: dict[str, tuple[float, ...]]


class Outcome(Frozen):
    """What a finished trial yields. Every number is finite: a NaN is a regime, not a value.

    Attributes:
        trial: Key of the trial.
        regime: Verdict on the trained state.
        score: The study's collapse metric at the end; 0.0 (below the range of every metric)
            for a diverged trial.
        measures: Final measures by name, e.g. ``effective_rank``, ``knn_accuracy``,
            ``train_loss``, and what the study's ``evaluate`` asks for. Empty when diverged.
        initial: The same measures before the first step, but for those of ``evaluate``.
        spectrum: Eigenvalues of the uncentred second moment, descending, summing to 1; empty
            when diverged.
        history: Measures at every check.
        coupling: Measures against the couple's reference, at the checks that both reached: the
            history of its own that they need, since a reference that diverges ends them. Among
            ``measures`` and ``initial`` where both have them. None for a trial in no couple, for
            a reference, and where the reference is not trained beside it.
        steps_done: Optimiser steps taken; fewer than planned when decided early.
        diverged_at_step: The step whose loss or embeddings were not finite.
        early_regime: What an early decision said, for audited members that went on to the end
            (None where none was due).
        pruned_at_step: The step after which the study's pruner ended it; its measures are those of
            that step.
        seconds: The trial's share of the cohort's training time.
    """

    trial: str
    regime: Regime
    score: float
    measures: dict[str, float]
    initial: dict[str, float]
    spectrum: tuple[float, ...]
    history: History
    steps_done: int
    decided_early: bool
    diverged_at_step: int | None = None
    early_regime: Regime | None = None
    pruned_at_step: int | None = None
    seconds: Annotated[float, Field(ge=0.0)] = 0.0
    coupling: History | None = None

    @property
    def is_collapsed(self) -> bool:
        """Whether the trial lost its rank: below the study's level, complete, or diverged."""
        return self.regime in (Regime.DIMENSIONAL, Regime.COMPLETE, Regime.DIVERGED)
