"""Which objective a member is trained with, and its settings: one closed union of kinds.

Every kind is a frozen model of its own, so a setting that a kind does not have is refused, and
an unknown kind is answered with the list of known ones. What each number means is in the
docstring of the loss it is handed to (``trainer/losses``).
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Temperature = Annotated[
    float,
    Field(ge=0.005, le=100.0, description="tau: cosines are divided by it; finite down to 0.005"),
]


Weight = Annotated[float, Field(ge=0.0, le=1e4, description="weight of a term, 0 for none")]


class KindSettings(BaseModel):
    """Base of all kinds: immutable, unknown keys refused, no NaN or infinity."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True
    )


class InfoNCESettings(KindSettings):
    """Symmetric InfoNCE across the two views (arXiv:1807.03748, arXiv:2103.00020)."""

    kind: Literal["infonce"] = "infonce"
    temperature: Temperature = 0.1


class NTXentSettings(KindSettings):
    """NT-Xent of SimCLR: all 2B views in one matrix (arXiv:2002.05709)."""

    kind: Literal["nt_xent"] = "nt_xent"
    temperature: Temperature = 0.1


class SupConSettings(KindSettings):
    """Supervised contrastive loss, all labels used (arXiv:2004.11362).

    ``variant``: ``out`` is L_out over all 2B views; ``cross_view`` puts the sum over positives
    inside the log and compares across views only (baseline of arXiv:2512.07880).
    """

    kind: Literal["supcon"] = "supcon"
    temperature: Temperature = 0.1
    variant: Literal["out", "cross_view"] = "out"


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
    | FocalSettings,
    Field(discriminator="kind"),
]
"""Settings of any objective; ``kind`` says which."""
