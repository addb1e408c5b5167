"""Which objective a member is trained with, and its settings: one closed union of kinds.

Every kind is a frozen model of its own, so a setting that a kind does not have is refused, and
an unknown kind is answered with the list of known ones. What each number means is in the
docstring of the loss it is handed to (``trainer/losses``).
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Temperature = Annotated[
    float,
    Field(ge=0.005, le=100.0, description="tau: cosines are divided by it; finite down to 0.005"),
]


Scale = Annotated[float, Field(gt=0.0, le=1000.0, description="k: cosines are multiplied by it")]
Bias = Annotated[float, Field(ge=-1000.0, le=1000.0, description="b: added to scaled cosines")]
Weight = Annotated[float, Field(ge=0.0, le=1e4, description="weight of a term, 0 for none")]
TemperatureMode = Literal["fixed", "learnable"]

LARGEST_LEARNED_SCALE = 100.0
"""Largest 1 / tau of a learned temperature (Radford et al. 2021, arXiv:2103.00020, 2.5)."""


def check_start(temperature: float, mode: TemperatureMode) -> None:
    """Refuse a learned temperature that starts where it may not go.

    Raises:
        ValueError: If it does; pydantic says where it stands.
    """
    if mode == "learnable" and temperature * LARGEST_LEARNED_SCALE < 1.0:
        raise ValueError(
            f"a learnable temperature starts at {1 / LARGEST_LEARNED_SCALE:g} or more, got "
            f"{temperature:g}; expected that, or temperature_mode: fixed"
        )


class KindSettings(BaseModel):
    """Base of all kinds: immutable, unknown keys refused, no NaN or infinity."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True
    )


class InfoNCESettings(KindSettings):
    """Symmetric InfoNCE across the two views (arXiv:1807.03748, arXiv:2103.00020).

    ``temperature_mode``: ``learnable`` makes ``temperature`` the initial value (0.01 or more) of
    one that is trained as CLIP's, never below 0.01.
    """

    kind: Literal["infonce"] = "infonce"
    temperature: Temperature = 0.1
    temperature_mode: TemperatureMode = "fixed"

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_start(self.temperature, self.temperature_mode)
        return self


class NTXentSettings(KindSettings):
    """NT-Xent of SimCLR: all 2B views in one matrix (arXiv:2002.05709)."""

    kind: Literal["nt_xent"] = "nt_xent"
    temperature: Temperature = 0.1


class SupConSettings(KindSettings):
    """Supervised contrastive loss (arXiv:2004.11362).

    ``variant``: ``out`` is L_out over all 2B views; ``cross_view`` puts the sum over positives
    inside the log and compares across views only (baseline of arXiv:2512.07880).
    ``label_fraction``: as CLOP's; a sample without a label is a class of its own, whose only
    positive is its other view, so that 0 is NT-Xent (or InfoNCE across views).
    """

    kind: Literal["supcon"] = "supcon"
    temperature: Temperature = 0.1
    variant: Literal["out", "cross_view"] = "out"
    label_fraction: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0


class ClopSettings(KindSettings):
    """Contrastive loss plus a pull to frozen class prototypes (arXiv:2512.07880).

    ``lambda``: weight of the pull; the paper calls 0.1 to 1.5 stable, 1.0 to 1.5 best.
    ``label_fraction``: share of the training samples whose label may be used, a fixed stratified
    subset. ``degrade_angle_degrees``: used with ``prototypes: degraded`` only.
    """

    kind: Literal["clop"] = "clop"
    temperature: Temperature = 0.1
    lambda_: Annotated[float, Field(alias="lambda", ge=0.0, le=1000.0)] = 1.0
    label_fraction: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0
    similarity: Literal["cosine", "euclidean", "manhattan"] = "cosine"
    prototypes: Literal["orthonormal", "random", "etf", "degraded"] = "orthonormal"
    degrade_angle_degrees: Annotated[float, Field(ge=0.0, le=90.0)] = 0.0
    base: Literal["infonce", "nt_xent"] = "infonce"


class CLSettings(KindSettings):
    """Decoupled contrastive loss CL (arXiv:2510.08852).

    ``positive_in_denominator``: false is the paper's formula, true the authors' released code.
    """

    kind: Literal["cl"] = "cl"
    temperature: Temperature = 0.1
    positive_in_denominator: bool = False


class NSCLSettings(KindSettings):
    """Negatives-only supervised contrastive loss NSCL, all labels used (arXiv:2510.08852).

    ``positive_in_denominator``: false is the paper's formula, true the authors' released code.
    """

    kind: Literal["nscl"] = "nscl"
    temperature: Temperature = 0.1
    positive_in_denominator: bool = False


class CrossEntropySettings(KindSettings):
    """Cross-entropy of a learnable linear layer on the normalised projection, all labels used."""

    kind: Literal["ce"] = "ce"


class DCLSettings(KindSettings):
    """Decoupled contrastive learning (arXiv:2110.06848).

    ``weighting``: ``von_mises_fisher`` makes pairs that are far apart pull harder (DCLW), with
    the width ``sigma``; ``none`` is DCL, where ``sigma`` is not used.
    """

    kind: Literal["dcl"] = "dcl"
    temperature: Temperature = 0.1
    weighting: Literal["none", "von_mises_fisher"] = "none"
    sigma: Annotated[float, Field(ge=0.01, le=100.0)] = 0.5


class VICRegSettings(KindSettings):
    """VICReg on raw projections (arXiv:2105.04906); weights lambda, mu and nu of the paper."""

    kind: Literal["vicreg"] = "vicreg"
    invariance_weight: Weight = 25.0
    variance_weight: Weight = 25.0
    covariance_weight: Weight = 1.0


class BarlowTwinsSettings(KindSettings):
    """Barlow Twins on raw projections (arXiv:2103.03230); weight lambda of the paper."""

    kind: Literal["barlow_twins"] = "barlow_twins"
    redundancy_weight: Weight = 5e-3


class FocalSettings(KindSettings):
    """Asymmetric focal contrastive loss, all labels used (arXiv:2207.07080).

    ``gamma``: focal exponent, 0 for none; ``eta``: weight of the negatives' term, 0 for none.
    ``normalizer``: ``positives`` has SupCon's scale, ``views`` that of the released code.
    """

    kind: Literal["focal"] = "focal"
    temperature: Temperature = 0.1
    gamma: Annotated[float, Field(ge=0.0, le=20.0)] = 2.0
    eta: Annotated[float, Field(ge=0.0, le=1000.0)] = 1.0
    normalizer: Literal["positives", "views"] = "positives"


class SigLIPSettings(KindSettings):
    """SigLIP: every pair is its own yes-or-no question (arXiv:2303.15343).

    ``scale`` (k) and ``bias`` (b) are the initial values; ``learnable: false`` keeps them.
    """

    kind: Literal["siglip"] = "siglip"
    scale: Scale = 10.0
    bias: Bias = -10.0
    learnable: bool = True


class SVRSettings(KindSettings):
    """What both forms of support vector regularisation have in common (arXiv:2509.21033).

    ``base``: InfoNCE with ``temperature`` and ``temperature_mode`` as in the kind ``infonce``, or
    SigLIP with ``scale``, ``bias`` and ``learnable`` as in the kind ``siglip``. ``form``: how
    support vectors are scored, as the base does or always by InfoNCE. ``sides``: support vectors
    of the first views only, or of both. ``alpha``, ``beta``: weights of L_svr and of L_cons,
    which keeps the radius between 0 and the distance of the pair. ``radius``: initial R.
    ``normalize_sup`` brings support vectors back to the unit sphere. ``detach_u`` removes the
    effect: a negative control.
    """

    base: Literal["infonce", "siglip"] = "infonce"
    temperature: Temperature = 0.07
    temperature_mode: TemperatureMode = "fixed"
    scale: Scale = 10.0
    bias: Bias = -10.0
    learnable: bool = True
    form: Literal["base", "infonce"] = "base"
    sides: Literal["uni", "bi"] = "bi"
    alpha: Annotated[float, Field(ge=0.0, le=100.0)] = 1.0
    radius: Annotated[float, Field(ge=-10.0, le=10.0)] = 0.5
    detach_u: bool = False
    normalize_sup: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.base == "infonce":
            check_start(self.temperature, self.temperature_mode)
        return self


class StaticSVRSettings(SVRSettings):
    """StaticSVR: one radius for all anchors.

    ``radius_mode``: ``learnable`` (the paper), ``per_direction`` (one learnable number for each
    side), ``fixed`` (for sweeps of the radius; 0 is the control "just more InfoNCE"), or
    ``distance`` (that of each pair, the control that leaves L_svr no push across the pull).
    """

    kind: Literal["static_svr"] = "static_svr"
    beta: Annotated[float, Field(ge=0.0, le=100.0)] = 0.0
    radius_mode: Literal["learnable", "per_direction", "fixed", "distance"] = "learnable"


class DynamicSVRSettings(SVRSettings):
    """DynamicSVR: a small network per side predicts each anchor's radius from its similarities.

    Its width is the batch size, so every batch must have the same.

    ``similarities``: ``online`` are those of the anchor's embedding with those of all partners in
    the batch, which move as the towers learn (the paper's). ``offline`` are those of frozen
    features, computed once: of a caption with the batch's captions for radii of texts, of a sound
    with its sounds for radii of sounds (:mod:`trainer.data.frozen_rows`); of audio-text studies
    alone.
    """

    kind: Literal["dynamic_svr"] = "dynamic_svr"
    beta: Annotated[float, Field(ge=0.0, le=100.0)] = 0.01
    similarities: Literal["online", "offline"] = "online"


ObjectiveSettings = Annotated[
    InfoNCESettings
    | NTXentSettings
    | SupConSettings
    | CLSettings
    | NSCLSettings
    | CrossEntropySettings
    | ClopSettings
    | DCLSettings
    | VICRegSettings
    | BarlowTwinsSettings
    | FocalSettings
    | SigLIPSettings
    | StaticSVRSettings
    | DynamicSVRSettings,
    Field(discriminator="kind"),
]
"""Settings of any objective; ``kind`` says which."""
