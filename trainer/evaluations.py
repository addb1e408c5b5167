"""The one factory of evaluations and of batches, by what a cohort is trained on."""

from typing import assert_never

from trainer.checks import ImageEvaluation
from trainer.cohort import Cohort
from trainer.data.batches import BatchStream, Stream
from trainer.data.image_data import ImageData
from trainer.data.pair_data import PairData
from trainer.data.pair_stream import PairStream
from trainer.data.training_data import TrainingData
from trainer.pair_checks import PairEvaluation
from trainer.readings import Evaluation
from trainer.settings import DataSettings


def build_evaluation(data: TrainingData, cohort: Cohort) -> Evaluation:
    """Return what measures the members of a cohort."""
    match data:
        case ImageData():
            assert isinstance(cohort.data, DataSettings)
            return ImageEvaluation.of(data, cohort.data, cohort.collapse, cohort.evaluate)
        case PairData():
            return PairEvaluation(data, cohort)
        case unreachable:
            assert_never(unreachable)


def build_stream(data: TrainingData, cohort: Cohort, seed: int) -> Stream:
    """Return the batches of one replicate."""
    match data:
        case ImageData():
            assert isinstance(cohort.data, DataSettings)
            return BatchStream(data, cohort.data.augment, cohort.train.batch_size, seed)
        case PairData():
            return PairStream(data, cohort.train.batch_size, seed)
        case unreachable:
            assert_never(unreachable)
