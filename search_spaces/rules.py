"""What a question asks of the rest of a study."""

import math
from collections.abc import Iterable, Mapping

from search_spaces.axis import RangeAxis
from search_spaces.complaints import Complaints
from search_spaces.header import StudyHeader
from search_spaces.located import LocatedMapping, find_origin
from search_spaces.measures import CHECKED_MEASURES, COUPLING_MEASURES
from search_spaces.pair_rules import check_pair_rules
from search_spaces.settings_reader import Setting
from search_spaces.study import KIND, LR, PlannerKind, Question

MAX_SLICES = 100_000
"""More combinations than any budget covers; written down, they would fill the memory."""

EVALUATE_MEASURES: Mapping[str, tuple[str, ...]] = {
    "probe_accuracy": ("linear_probe",),
    "nccc_accuracy": ("nccc",),
    "few_shot_accuracy": ("few_shot",),
    "knn_accuracy_projection": ("projection",),
    "probe_accuracy_projection": ("linear_probe", "projection"),
    "nccc_accuracy_projection": ("nccc", "projection"),
    "few_shot_accuracy_projection": ("few_shot", "projection"),
    "cdnv_features": ("cdnv",),
    "cdnv_projections": ("cdnv",),
    "zero_shot_accuracy": ("zero_shot",),
    "drift_grad_text": ("drift",),
    "drift_grad_audio": ("drift",),
    "drift_grad_tangent_text": ("drift",),
    "drift_grad_tangent_audio": ("drift",),
    "drift_step_text": ("drift",),
    "drift_step_audio": ("drift",),
    "pair_distance": ("drift",),
    "radius": ("drift",),
    "radius_over_distance": ("drift",),
    "perpendicular_share": ("drift",),
}
"""Fields of ``evaluate`` without which a trial does not have the measure."""

_DEFAULT_PLANNERS = {
    Question.BOUNDARY: PlannerKind.BISECT,
    Question.GRID: PlannerKind.GRID,
    Question.OPTIMISE: PlannerKind.TPE,
}

_ONLY_FOR = {
    PlannerKind.SURFACE: Question.BOUNDARY,
    PlannerKind.BISECT: Question.BOUNDARY,
    PlannerKind.TPE: Question.OPTIMISE,
}


def choose_planner(header: StudyHeader) -> PlannerKind:
    """Return the planner the file names, or the question's own.

    A boundary is bisected slice by slice: that holds where seeds differ more in one slice than
    in another, as on the demo. A prior is for a surface, so it asks for one.
    """
    if header.planner is not None:
        return header.planner
    if header.prior is not None and header.question is Question.BOUNDARY:
        return PlannerKind.SURFACE
    return _DEFAULT_PLANNERS[header.question]


def check_rules(
    header: StudyHeader,
    settings: Mapping[str, Setting],
    root: LocatedMapping,
    complaints: Complaints,
) -> None:
    """Complain where question, planner and axes do not fit together."""
    _check_planner(header, root, complaints)
    _check_optimise(header, root, complaints)
    _check_evaluate(header, root, complaints)
    _check_align(header, settings, root, complaints)
    _check_prior(header, root, complaints)
    _check_pruner(header, root, complaints)
    _check_seeds_from(header, root, complaints)
    _check_utility(header, settings, root, complaints)
    check_pair_rules(header, settings, root, complaints)
    if header.question in (Question.BOUNDARY, Question.GRID):
        _check_slice_count(settings, root, complaints)
    if header.question is Question.BOUNDARY:
        _check_boundary_axis(settings, root, complaints)


def _check_slice_count(
    settings: Mapping[str, Setting], root: LocatedMapping, complaints: Complaints
) -> None:
    kinds = [str(probe.value) for probe in settings[KIND].probes] if KIND in settings else []
    count = sum(_count_slices(kind, settings.values()) for kind in kinds)
    if count > MAX_SLICES:
        message = (
            f"its lists and ranges make {count} combinations beside lr, more than {MAX_SLICES}; "
            "shorten lists, or give ranges fewer points"
        )
        complaints.add(root.origin, "", message)


def _count_slices(kind: str, settings: Iterable[Setting]) -> int:
    axes = [s.axis for s in settings if s.axis is not None and s.path not in (LR, KIND)]
    own = [axis for axis in axes if axis.kinds is None or kind in axis.kinds]
    return math.prod(a.points if isinstance(a, RangeAxis) else len(a.values) for a in own)


def _check_planner(header: StudyHeader, root: LocatedMapping, complaints: Complaints) -> None:
    planner = header.planner
    only = None if planner is None else _ONLY_FOR.get(planner)
    if planner is not None and only is not None and header.question is not only:
        fitting = [p.value for p in PlannerKind if _ONLY_FOR.get(p) in (None, header.question)]
        message = (
            f"{planner.value} answers question: {only.value} only; for question: "
            f"{header.question.value} choose one of {', '.join(fitting)}"
        )
        complaints.add(find_origin(root, ("planner",)), "planner", message)


def _check_optimise(header: StudyHeader, root: LocatedMapping, complaints: Complaints) -> None:
    asks = header.question is Question.OPTIMISE
    if asks and header.optimise is None:
        message = (
            "missing; question: optimise needs it, e.g. "
            "optimise: {metric: knn_accuracy, direction: maximize}"
        )
        complaints.add(find_origin(root, ("question",)), "optimise", message)
    elif header.optimise is not None and header.optimise.metric in COUPLING_MEASURES:
        message = (
            f"{header.optimise.metric} compares objective kinds, which question: optimise chooses "
            "from; take another metric, or question: grid"
        )
        complaints.add(find_origin(root, ("optimise", "metric")), "optimise.metric", message)
    elif not asks and header.optimise is not None:
        message = (
            f"only question: optimise uses it, and this is question: {header.question.value}; "
            "leave it out or change the question"
        )
        complaints.add(find_origin(root, ("optimise",)), "optimise", message)


def _check_evaluate(header: StudyHeader, root: LocatedMapping, complaints: Complaints) -> None:
    """Complain if what is optimised is not measured."""
    metric = None if header.optimise is None else header.optimise.metric
    needed = EVALUATE_MEASURES.get(metric or "", ())
    if not all(getattr(header.evaluate, name) for name in needed):
        example = ", ".join(f"{n}: {5 if n == 'few_shot' else 'true'}" for n in needed)
        message = f"{metric} is not measured; add evaluate: {{{example}}}, or take another metric"
        complaints.add(find_origin(root, ("optimise", "metric")), "optimise.metric", message)


def _check_align(
    header: StudyHeader,
    settings: Mapping[str, Setting],
    root: LocatedMapping,
    complaints: Complaints,
) -> None:
    if header.align is None or KIND not in settings or complaints.has_any_at(KIND):
        return
    kinds = [str(probe.value) for probe in settings[KIND].probes]
    if len(kinds) == 1 or header.align.reference not in kinds:
        message = (
            f"expected one of at least two objective kinds of this study, got "
            f"{header.align.reference!r} and objective.kind: {', '.join(kinds)}; list in "
            "objective.kind the reference and what is to be compared with it"
        )
        complaints.add(find_origin(root, ("align", "reference")), "align.reference", message)
    if header.align.unshared and header.seeds == 1:
        message = "compares replicates, but there is one; add seeds: 2 or more, or leave it out"
        complaints.add(find_origin(root, ("align", "unshared")), "align.unshared", message)
    is_default = header.planner is None and header.question is Question.GRID
    if header.planner is not PlannerKind.GRID and not is_default:
        got = "none" if header.planner is None else header.planner.value
        message = (
            f"needs planner: grid, which tries every kind at the same settings, got {got}; add "
            "planner: grid, or leave align out"
        )
        complaints.add(find_origin(root, ("align",)), "align", message)


def _check_prior(header: StudyHeader, root: LocatedMapping, complaints: Complaints) -> None:
    if header.prior is None:
        return
    planner = choose_planner(header)
    message = None
    if header.question is not Question.BOUNDARY:
        message = (
            "only question: boundary uses it, and this is question: "
            f"{header.question.value}; leave it out or change the question"
        )
    elif planner is not PlannerKind.SURFACE:
        message = (
            f"only planner: surface uses it, and this is planner: {planner.value}; "
            "add planner: surface, or leave prior out"
        )
    elif header.prior == header.study:
        message = "expected another study's name, got this one's own"
    if message is not None:
        complaints.add(find_origin(root, ("prior",)), "prior", message)


def _check_seeds_from(header: StudyHeader, root: LocatedMapping, complaints: Complaints) -> None:
    if header.seeds_from == header.study:
        message = "expected another study's name, got this one's own; leave it out"
        complaints.add(find_origin(root, ("seeds_from",)), "seeds_from", message)


def _check_pruner(header: StudyHeader, root: LocatedMapping, complaints: Complaints) -> None:
    if header.pruner is None:
        return
    metric = None if header.optimise is None else header.optimise.metric
    message = None
    if header.question is not Question.OPTIMISE:
        message = (
            "only question: optimise uses it, and this is question: "
            f"{header.question.value}; leave it out or change the question"
        )
    elif choose_planner(header) is not PlannerKind.TPE:
        message = (
            "compares trials with those of earlier rounds, and planner: "
            f"{choose_planner(header).value} asks for all at once; choose tpe, or leave it out"
        )
    elif header.seeds != 1:
        message = (
            f"expected seeds: 1, got {header.seeds}: a mean over replicates that ended at "
            "different steps says nothing; set seeds: 1, and try the best points with more after"
        )
    elif metric is not None and metric not in CHECKED_MEASURES:
        message = (
            f"compares trials at their checks, where {metric} is not measured; optimise e.g. "
            "val_recall_at_1 (sounds) or train_loss, or leave it out"
        )
    if message is not None:
        complaints.add(find_origin(root, ("pruner",)), "pruner", message)


def _check_utility(
    header: StudyHeader,
    settings: Mapping[str, Setting],
    root: LocatedMapping,
    complaints: Complaints,
) -> None:
    frozen = settings.get("model.frozen")
    is_frozen = frozen is not None and any(probe.value is True for probe in frozen.probes)
    if is_frozen and header.collapse.utility == "knn_accuracy":
        message = (
            "expected train_loss because of model.frozen: true, got knn_accuracy; it looks at the "
            "encoder's features, which a frozen encoder never improves"
        )
        complaints.add(find_origin(root, ("collapse", "utility")), "collapse.utility", message)


def _check_boundary_axis(
    settings: Mapping[str, Setting], root: LocatedMapping, complaints: Complaints
) -> None:
    setting = settings.get(LR)
    if setting is None or complaints.has_any_at(LR):
        return
    if not isinstance(setting.axis, RangeAxis) or not setting.axis.log:
        message = (
            "question: boundary needs a logarithmic range, "
            "e.g. lr: {low: 1e-3, high: 30, log: true}"
        )
        complaints.add(find_origin(root, (LR,)), LR, message)
