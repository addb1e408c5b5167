"""Groups proposals into cohorts, and cuts cohorts into packs for the workers.

Members share a cohort when they differ in nothing but objective, normalisation, replicate,
learning rate with its schedule, and weight decay.
How trials are grouped and cut changes the speed, never an outcome (a parity test holds this).
"""

import hashlib
import math
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from orchestrator.ledger import replicate_seed
from orchestrator.planners.protocol import Proposal
from search_spaces.study import Study
from trainer.cohort import Cohort, Member
from trainer.couples import group_couples
from trainer.models.layers import widest_norm
from trainer.seeds import derive_seed
from trainer.settings import ModelSettings, SharedTrainSettings, TrainSettings
from trainer.stack import pack_order
from trainer.trial_settings import AnyModelSettings, TrialSettings

_COHORT_MEMBERS = 256
"""Bounds how much one failed Tune trial has to repeat."""


def group_cohorts(study: Study, proposals: Sequence[Proposal]) -> list[Cohort]:
    """Return cohorts that cover the proposals, in a deterministic order.

    Args:
        study: Gives the settings and the seeds.
        proposals: Trials to run; their order is irrelevant.
    """
    groups: dict[str, tuple[TrialSettings, list[Member]]] = {}
    for proposal in sorted(proposals, key=lambda p: p.key):
        settings = study.settings_at(proposal.point)
        _, members = groups.setdefault(_shared(settings), (settings, []))
        members.append(_member(study, proposal, settings))
    return [
        _cohort(settings, members)
        for settings, everybody in groups.values()
        for members in _fill(group_couples(everybody), _COHORT_MEMBERS)
    ]


def cut_packs(cohort: Cohort, workers: int, most_members: int) -> list[Cohort]:
    """Cut a cohort into packs of neighbours: one replicate and one objective where possible.

    Members of a couple stay together, in a pack of more than ``most_members`` if need be.

    Args:
        workers: Every worker gets as many packs as the others, where members suffice.
        most_members: Members a pack may have.
    """
    members = sorted(cohort.members, key=lambda m: (m.seed, *pack_order(m)))
    turns = math.ceil(len(members) / (workers * most_members))
    size = math.ceil(len(members) / (workers * turns))
    return [
        _pack(cohort, f"{cohort.cohort_id}-{number:03d}", pack)
        for number, pack in enumerate(_fill(group_couples(members), size))
    ]


def _fill(couples: Iterable[Sequence[Member]], size: int) -> Iterator[list[Member]]:
    """Yield lists of at most ``size`` members, couples whole: a larger one is a list alone."""
    taken: list[Member] = []
    for couple in couples:
        if taken and len(taken) + len(couple) > size:
            yield taken
            taken = []
        taken = [*taken, *couple]
    if taken:
        yield taken


def _pack(cohort: Cohort, pack_id: str, members: Sequence[Member]) -> Cohort:
    model = _with_norm_of(members, cohort.model)
    return cohort.model_copy(
        update={"cohort_id": pack_id, "members": tuple(members), "model": model}
    )


def _shared(settings: TrialSettings) -> str:
    own = {"train": TrainSettings.model_fields.keys() - SharedTrainSettings.model_fields.keys()}
    if _has_own_norm(settings):
        own["model"] = {"norm"}
    shared = {"data", "model", "train", "collapse", "evaluate"}
    return settings.model_dump_json(include=shared, exclude=own)


def _has_own_norm(settings: TrialSettings) -> bool:
    """Say whether members may differ in norm: not in modules, nor if all share the encoder."""
    model = settings.model
    return isinstance(model, ModelSettings) and model.encoder == "mlp" and not model.frozen


def _with_norm_of(members: Sequence[Member], model: AnyModelSettings) -> AnyModelSettings:
    """Return the model with the tensors that the widest of the members' norms needs."""
    return model.model_copy(update={"norm": widest_norm([m.norm or model.norm for m in members])})


def _member(study: Study, proposal: Proposal, settings: TrialSettings) -> Member:
    # Drawn per trial, so that no packing and no order changes who is audited.
    couple = _couple_of(study, proposal)
    draw = random.Random(derive_seed(study.name, study.seed, "audit", proposal.key)).random()
    return Member(
        trial=proposal.key,
        replicate=proposal.replicate,
        seed=replicate_seed(study, proposal.replicate),
        lr=settings.lr,
        weight_decay=settings.train.weight_decay,
        warmup_steps=settings.train.warmup_steps,
        schedule=settings.train.schedule,
        objective=settings.objective,
        audited=draw < settings.collapse.audit,
        norm=settings.model.norm if _has_own_norm(settings) else None,
        couple=couple.name,
        is_reference=couple.is_reference,
        unshared=couple.unshared,
    )


class _Couple(NamedTuple):
    """What a member is told of its couple."""

    name: str | None = None
    is_reference: bool = False
    unshared: str | None = None


def _couple_of(study: Study, proposal: Proposal) -> _Couple:
    """Return a trial's couple: of its replicate, or of all replicates if those are compared."""
    reference = study.reference_of(proposal.point)
    if reference is None or study.align is None:
        return _Couple()
    is_reference = reference == proposal.point
    if not study.align.unshared:
        return _Couple(Proposal(reference, proposal.replicate).key, is_reference)
    other = Proposal(reference, (proposal.replicate + 1) % study.replicates)
    return _Couple(reference.key, is_reference, other.key)


def _cohort(settings: TrialSettings, members: Sequence[Member]) -> Cohort:
    content = _shared(settings) + "".join(member.trial for member in members)
    return Cohort(
        cohort_id=hashlib.sha256(content.encode()).hexdigest()[:12],
        data=settings.data,
        model=_with_norm_of(members, settings.model),
        train=settings.train.shared(),
        collapse=settings.collapse,
        evaluate=settings.evaluate,
        members=tuple(members),
    )
