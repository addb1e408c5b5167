"""From settings to a stacked objective: one exhaustive match over the closed union.

The protocol lives beside its implementations in ``trainer.objectives.protocol``; it is named
here too, because this is the module that the training loop imports.
"""

import json
from collections.abc import Sequence
from typing import TypeVar, assert_never

from trainer.errors import MixedStructureError
from trainer.objective_settings import (
    BarlowTwinsSettings,
    ClopSettings,
    CLSettings,
    CrossEntropySettings,
    DCLSettings,
    DynamicSVRSettings,
    FocalSettings,
    InfoNCESettings,
    KindSettings,
    NSCLSettings,
    NTXentSettings,
    ObjectiveSettings,
    SigLIPSettings,
    StaticSVRSettings,
    SupConSettings,
    VICRegSettings,
)
from trainer.objectives.contrastive import bind_cl, bind_dcl, bind_infonce, bind_nt_xent
from trainer.objectives.protocol import Objective, ObjectiveBatch, ObjectiveContext
from trainer.objectives.prototype import bind_clop
from trainer.objectives.redundancy import bind_barlow_twins, bind_vicreg
from trainer.objectives.sigmoid import bind_siglip
from trainer.objectives.supervised import (
    bind_cross_entropy,
    bind_focal,
    bind_nscl,
    bind_supcon,
)
from trainer.objectives.support_vector import bind_dynamic_svr, bind_static_svr

__all__ = [
    "Objective",
    "ObjectiveBatch",
    "ObjectiveContext",
    "build_objective",
    "structure",
    "uses_labels",
    "uses_likeness",
]

STACKED_SCALARS = frozenset(
    {
        "temperature",
        "lambda",
        "label_fraction",
        "prototypes",
        "degrade_angle_degrees",
        "sigma",
        "gamma",
        "eta",
        "invariance_weight",
        "variance_weight",
        "covariance_weight",
        "redundancy_weight",
        "scale",
        "bias",
        "alpha",
        "beta",
        "radius",
    }
)
"""Fields in which members of one stacked call may differ: they become rows of tensors."""

Kind = TypeVar("Kind", bound=KindSettings)


def structure(settings: ObjectiveSettings) -> str:
    """Return canonical JSON of everything but the scalars that may differ within one stack.

    Members with equal structures can be evaluated by one call of one objective.
    """
    shared = settings.model_dump(mode="json", by_alias=True)
    kept = {name: value for name, value in shared.items() if name not in STACKED_SCALARS}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"))


def uses_labels(settings: ObjectiveSettings) -> bool:
    """Return whether the objective asks a batch for labels, or for who is labelled."""
    match settings:
        case (
            SupConSettings()
            | NSCLSettings()
            | CrossEntropySettings()
            | FocalSettings()
            | ClopSettings()
        ):
            return True
        case (
            InfoNCESettings()
            | NTXentSettings()
            | CLSettings()
            | DCLSettings()
            | VICRegSettings()
            | BarlowTwinsSettings()
            | SigLIPSettings()
            | StaticSVRSettings()
            | DynamicSVRSettings()
        ):
            return False
        case unknown:
            assert_never(unknown)


def uses_likeness(settings: ObjectiveSettings) -> bool:
    """Return whether the objective asks a batch for the likeness of its frozen features."""
    return isinstance(settings, DynamicSVRSettings) and settings.similarities == "offline"


def build_objective(  # noqa: C901, PLR0911, PLR0912 - one arm per kind, nothing else
    members: Sequence[ObjectiveSettings], context: ObjectiveContext
) -> Objective:
    """Return the objective of a stack of members.

    Args:
        members: Settings of each member, all of one :func:`structure`.
        context: Sizes, seeds (one per member), device and dtype.

    Raises:
        MixedStructureError: If members differ in structure, or there is none, or the number of
            seeds is another.
        PrototypeCountError: If CLOP asks for more prototypes than the dimension holds.
    """
    check_stackable(members, context)
    match members[0]:
        case InfoNCESettings():
            return bind_infonce(of_kind(members, InfoNCESettings), context)
        case NTXentSettings():
            return bind_nt_xent(of_kind(members, NTXentSettings), context)
        case SupConSettings():
            return bind_supcon(of_kind(members, SupConSettings), context)
        case CLSettings():
            return bind_cl(of_kind(members, CLSettings), context)
        case NSCLSettings():
            return bind_nscl(of_kind(members, NSCLSettings), context)
        case CrossEntropySettings():
            return bind_cross_entropy(of_kind(members, CrossEntropySettings), context)
        case DCLSettings():
            return bind_dcl(of_kind(members, DCLSettings), context)
        case VICRegSettings():
            return bind_vicreg(of_kind(members, VICRegSettings), context)
        case BarlowTwinsSettings():
            return bind_barlow_twins(of_kind(members, BarlowTwinsSettings), context)
        case FocalSettings():
            return bind_focal(of_kind(members, FocalSettings), context)
        case SigLIPSettings():
            return bind_siglip(of_kind(members, SigLIPSettings), context)
        case StaticSVRSettings():
            return bind_static_svr(of_kind(members, StaticSVRSettings), context)
        case DynamicSVRSettings():
            return bind_dynamic_svr(of_kind(members, DynamicSVRSettings), context)
        case ClopSettings():
            return bind_clop(of_kind(members, ClopSettings), context)
        case unknown:
            assert_never(unknown)


def check_stackable(members: Sequence[ObjectiveSettings], context: ObjectiveContext) -> None:
    """Raise MixedStructureError unless the members can be one stack; see build_objective."""
    structures = sorted({structure(member) for member in members})
    if len(structures) != 1:
        raise MixedStructureError(
            f"members of one stack must share one structure, got {len(structures)}: "
            f"{', '.join(structures) or 'no member at all'}"
        )
    if len(context.seeds) != len(members):
        raise MixedStructureError(
            f"every member needs one seed, got {len(context.seeds)} seeds for "
            f"{len(members)} members"
        )


def of_kind(members: Sequence[KindSettings], kind: type[Kind]) -> list[Kind]:
    """Return the members typed as ``kind``, which all of them are (equal structures)."""
    typed = [member for member in members if isinstance(member, kind)]
    assert len(typed) == len(members)
    return typed
