"""Head-steps per second on cached features against re-encoding the batch at each step.

A frozen ResNet over the digits, heads of one hidden layer, InfoNCE, SGD. The peer augments two
views, runs the frozen encoder on them without gradient and trains one head: what a training
script does that knows no cache, once for each head. In favour of the peer, ``shared`` lets all
heads have what one such pass encodes. Both sides use Rankfall's own encoder, augmentation and
stack, so that only cache and stacking differ.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from trainer.cohort import Cohort, Member
from trainer.data.batches import BatchStream
from trainer.data.image_data import ImageData
from trainer.data.images import load_images
from trainer.data.training_data import load_training_data
from trainer.models.build import build_model
from trainer.objective_settings import InfoNCESettings
from trainer.settings import CollapseSettings, DataSettings, ModelSettings, TrainSettings
from trainer.stack import Stack

HEADS, BATCH, TURNS, STEPS_A_TURN = 16, 256, 7, 3
DATA = DataSettings(source="digits")
FROZEN = ModelSettings(
    encoder="resnet", hidden=(16, 32), frozen=True, head_hidden=(64,), embed_dim=32
)
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Gain:
    """Head-steps per second of the cached stack over those of the peer."""

    one_by_one: float
    shared: float


def compare_frozen() -> Gain:
    """Measure the three by turns and return the median ratios."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RANKFALL_CACHE"] = folder
        encoded = load_training_data(DATA, FROZEN, CPU, torch.float32)
        ours, alone = _train_heads(encoded, HEADS), _train_heads(encoded, 1)
        encode = _encode_each_step()
        ours(0), alone(0), encode(0)
        gains = [_measure_turn(turn, ours, alone, encode) for turn in range(TURNS)]
    return Gain(
        one_by_one=statistics.median(gain.one_by_one for gain in gains),
        shared=statistics.median(gain.shared for gain in gains),
    )


Step = Callable[[int], object]


def _measure_turn(turn: int, ours: Step, alone: Step, encode: Step) -> Gain:
    stacked, single, encoding = (_time(step, turn) for step in (ours, alone, encode))
    return Gain(HEADS * (encoding + single) / stacked, (encoding + stacked) / stacked)


def _train_heads(data: ImageData, heads: int) -> Step:
    """Return one step of a stack of heads on the cached features."""
    stack = Stack(_cohort(heads), data, CPU, torch.float32)
    stream = BatchStream(data, DATA.augment, BATCH, seed=0)

    def step(number: int) -> object:
        batch = stream.batch_at(number)
        views_MVBF = batch.views_VBF.expand(heads, -1, -1, -1)
        return stack.step(views_MVBF, batch.indices_B.expand(heads, -1))

    return step


def _encode_each_step() -> Step:
    """Return augmenting and encoding two views of one batch."""
    images = load_images(DATA)
    model = build_model(FROZEN.model_copy(update={"frozen": False}), images.image_shape)
    parameters = {n: p.float() for n, p in model.init_parameters([0]).items()}
    running = {n: r.float() for n, r in model.init_running(1).items()}
    stream = BatchStream(images, DATA.augment, BATCH, seed=0)

    @torch.no_grad()
    def step(number: int) -> object:
        views_1NF = stream.batch_at(number).views_VBF.flatten(0, 1)[None]
        return model.encode(parameters, running, views_1NF, training=False)

    return step


def _cohort(heads: int) -> Cohort:
    objective = InfoNCESettings(kind="infonce", temperature=0.1)
    return Cohort(
        cohort_id="frozen",
        data=DATA,
        model=FROZEN,
        train=TrainSettings(batch_size=BATCH, steps=1000),
        collapse=CollapseSettings(),
        members=tuple(
            Member(trial=f"{i:03d}", replicate=0, seed=0, lr=0.01 * (1 + i), objective=objective)
            for i in range(heads)
        ),
    )


def _time(step: Step, turn: int) -> float:
    started = time.process_time()
    for number in range(STEPS_A_TURN):
        step(turn * STEPS_A_TURN + number)
    return (time.process_time() - started) / STEPS_A_TURN
