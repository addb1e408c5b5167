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


ObjectiveSettings = Annotated[
    InfoNCESettings | NTXentSettings | SupConSettings | ClopSettings,
    Field(discriminator="kind"),
]
"""Settings of any objective; ``kind`` says which."""
