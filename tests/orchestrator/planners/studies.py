"""Small studies for planner tests, made without a file."""

from search_spaces.axis import Axis, ChoiceAxis, RangeAxis
from search_spaces.study import Budget, OptimiseSettings, PlannerKind, Question, Study
from trainer.settings import CollapseSettings

LR_AXIS = RangeAxis("lr", 1e-2, 100.0, log=True)
KIND_AXIS = ChoiceAxis("objective.kind", ("infonce", "supcon", "clop"))
TEMPERATURE_AXIS = RangeAxis("objective.temperature", 0.05, 1.0, log=True)
LAMBDA_AXIS = RangeAxis(
    "objective.lambda", 0.1, 1.5, log=False, points=3, kinds=frozenset({"clop"})
)

BOUNDARY_AXES: tuple[Axis, ...] = (LR_AXIS, KIND_AXIS, TEMPERATURE_AXIS)
CONDITIONAL_AXES: tuple[Axis, ...] = (LR_AXIS, KIND_AXIS, LAMBDA_AXIS, TEMPERATURE_AXIS)


def make_study(
    planner: PlannerKind,
    question: Question,
    axes: tuple[Axis, ...] = BOUNDARY_AXES,
    trials: int = 360,
    replicates: int = 3,
    band_decades: float = 0.1,
    seed: int = 0,
) -> Study:
    optimise = OptimiseSettings(metric="knn_accuracy", direction="maximize")
    return Study(
        name="example",
        question=question,
        planner=planner,
        axes=axes,
        fixed=(("data.source", "digits"), ("model.encoder", "mlp"), ("objective.kind", "infonce")),
        replicates=replicates,
        seed=seed,
        budget=Budget(trials=trials, band_decades=band_decades),
        collapse=CollapseSettings(),
        optimise=optimise if question is Question.OPTIMISE else None,
        source_text="",
    )
