"""Checkpoints: interrupted = uninterrupted bit for bit, and nothing doubtful is trusted."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load, save
from torch import Tensor

from tests.trainer.cohorts import CPU, make_cohort, make_member, train_by_trial
from trainer.checkpoint import Checkpoint, CheckpointFile, Checkpoints, _digest, decode, encode
from trainer.cohort import Cohort, Outcome
from trainer.collapse.regime import Regime
from trainer.errors import CheckpointError
from trainer.loop import Progress, train_cohort
from trainer.settings import CollapseSettings, ModelSettings, TrainSettings
from trainer.stack import pack_order

STEPS = 14
EARLY = CollapseSettings(every_steps=2, settle_checks=2, margin=0.9)
COLLAPSING = make_member("collapsing", lr=300.0, kind="supcon")
PACK = make_cohort(
    [
        COLLAPSING,
        COLLAPSING.model_copy(update={"trial": "audited", "audited": True}),
        make_member("calm", lr=0.05, kind="infonce"),
        make_member("diverging", lr=3e5, kind="vicreg"),
        make_member("own-parameters", lr=0.05, seed=2, kind="siglip"),
        make_member("dynamic", lr=0.05, seed=2, kind="dynamic_svr"),
    ],
    model=ModelSettings(encoder="mlp", hidden=(32,), embed_dim=16, norm="batch"),
    train=TrainSettings(batch_size=64, steps=STEPS, optimizer="adam"),
    collapse=EARLY,
)


class InterruptedTrainingError(Exception):
    """The worker of the test is gone."""


def train_until(pack: Cohort, checkpoints: Checkpoints, step: int) -> list[int]:
    """Train and die once ``step`` steps are done; return the steps that were seen."""
    seen: list[int] = []

    def look(progress: Progress) -> None:
        seen.append(progress.step)
        if progress.step >= step:
            raise InterruptedTrainingError

    with pytest.raises(InterruptedTrainingError):
        train_cohort(pack, device=CPU, on_step=look, checkpoints=checkpoints)
    return seen


def resume(pack: Cohort, checkpoints: Checkpoints) -> tuple[int, dict[str, Outcome]]:
    """Train to the end; return the first step and the outcomes without the time they took."""
    seen: list[int] = []
    outcomes = train_cohort(
        pack, device=CPU, on_step=lambda p: seen.append(p.step), checkpoints=checkpoints
    )
    return seen[0], {o.trial: o.model_copy(update={"seconds": 0.0}) for o in outcomes}


@pytest.fixture(scope="module")
def uninterrupted() -> dict[str, Outcome]:
    outcomes = train_by_trial(PACK)
    # What the property below is about: leaving, audited, diverging and staying members.
    assert 0 < outcomes["collapsing"].steps_done < STEPS
    assert outcomes["audited"].early_regime is not None
    assert outcomes["diverging"].regime is Regime.DIVERGED
    assert outcomes["calm"].steps_done == STEPS
    return outcomes


@settings(max_examples=12, deadline=None)
@given(deaths=st.lists(st.integers(0, STEPS - 1), min_size=1, max_size=4))
def test_interrupted_anywhere_any_number_of_times_is_as_if_uninterrupted(
    deaths: list[int],
    uninterrupted: dict[str, Outcome],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    checkpoints = Checkpoints(tmp_path_factory.mktemp("checkpoints"), every_seconds=0.0)
    kept = 0
    for death in sorted(deaths):
        assert train_until(PACK, checkpoints, death)[0] == kept
        kept = death - death % EARLY.every_steps
    first, outcomes = resume(PACK, checkpoints)
    assert first == kept
    assert outcomes == uninterrupted


def test_seconds_add_up_over_the_attempts(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, every_seconds=0.0)
    train_until(PACK, checkpoints, 8)
    file = checkpoints.of(PACK, CPU, torch.float32)
    kept = file.read()
    assert kept is not None
    long_ago = Checkpoint(
        kept.step, kept.member_steps, kept.seconds + 1e6, kept.members, kept.logbook, kept.tensors
    )
    file.write(long_ago)
    outcomes = train_cohort(PACK, device=CPU, checkpoints=checkpoints)
    assert 1e6 < sum(o.seconds for o in outcomes) < 1e6 + 600


def clock(*readings: float) -> Iterator[float]:
    yield from readings


def test_a_checkpoint_is_due_when_the_last_one_is_old_enough(tmp_path: Path) -> None:
    now = clock(0.0, 59.0, 61.0, 70.0, 129.0, 130.0)
    file = Checkpoints(tmp_path, 60.0, lambda: next(now)).of(PACK, CPU, torch.float32)
    assert [file.is_due, file.is_due] == [False, True]
    file.write(SMALL)
    assert [file.is_due, file.is_due] == [False, True]


SMALL = Checkpoint(3, 9, 1.5, ("a", "b"), '{"a":1}', {"x": torch.arange(6.0).view(2, 3)})


def small_file(tmp_path: Path) -> CheckpointFile:
    file = Checkpoints(tmp_path).of(PACK, CPU, torch.float32)
    file.write(SMALL)
    return file


def test_a_checkpoint_comes_back_exactly(tmp_path: Path) -> None:
    tensors = {
        "parameters/w": torch.tensor([[0.1, 1 / 3], [5e-324, -0.0]], dtype=torch.float64),
        "optimizer/steps": torch.tensor(7),
        "half": torch.tensor([1.5], dtype=torch.bfloat16),
        "none": torch.empty(2, 0),
    }
    path = tmp_path / "file"
    path.write_bytes(encode(Checkpoint(3, 9, 0.1 + 0.2, ("a",), "{}", tensors), "key"))
    read = decode(path, "key")
    assert (read.step, read.member_steps, read.seconds) == (3, 9, 0.1 + 0.2)
    assert (read.members, read.logbook) == (("a",), "{}")
    assert read.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert read.tensors[name].dtype == tensor.dtype
        assert _bytes(read.tensors[name]) == _bytes(tensor)


def _bytes(tensor: Tensor) -> bytes:
    return bytes(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())


@pytest.mark.parametrize("length", [0, 1, 8, 100, -1])
def test_a_torn_file_is_ignored_with_a_reason(
    length: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = small_file(tmp_path)
    file.path.write_bytes(file.path.read_bytes()[:length])
    with caplog.at_level(logging.WARNING):
        assert file.read() is None
    assert "is ignored, the pack begins anew: it cannot be read" in caplog.text


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_flipped_bit_is_ever_taken_for_content(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = small_file(tmp_path_factory.mktemp("flipped"))
    content = bytearray(file.path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    file.path.write_bytes(bytes(content))
    read = file.read()
    # A flip in the padding between header and tensors changes nothing.
    assert read is None or (read.members, read.logbook) == (SMALL.members, SMALL.logbook)
    if read is not None:
        assert torch.equal(read.tensors["x"], SMALL.tensors["x"])


def test_an_older_format_is_ignored_although_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_bytes(encode(SMALL, "key"))
    with safe_open(path, framework="pt") as file:
        record = json.loads(file.metadata()["rankfall"])
    assert record["format"] == "rankfall-checkpoint-1"
    text = json.dumps({**record, "format": "rankfall-checkpoint-0"})
    tensors = load(path.read_bytes())
    path.write_bytes(save(tensors, {"rankfall": text, "sha256": _digest(text, tensors)}))
    with pytest.raises(CheckpointError, match="its format is rankfall-checkpoint-0"):
        decode(path, "key")


OTHERS = {
    "fewer-members": PACK.model_copy(update={"members": PACK.members[:2]}),
    "longer": PACK.model_copy(update={"train": TrainSettings(batch_size=64, steps=99)}),
    "other-checks": PACK.model_copy(update={"collapse": CollapseSettings(every_steps=3)}),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_checkpoint_of_another_pack_of_the_same_name_is_ignored(
    other: Cohort, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    small_file(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert Checkpoints(tmp_path).of(other, CPU, torch.float32).read() is None
    assert "belongs to another pack" in caplog.text
    assert Checkpoints(tmp_path).of(PACK, CPU, torch.float64).read() is None


def test_a_name_alone_does_not_make_a_pack_another_one(tmp_path: Path) -> None:
    file = small_file(tmp_path)
    renamed = PACK.model_copy(update={"cohort_id": "renamed"})
    file.path.rename(tmp_path / "renamed.safetensors")
    assert Checkpoints(tmp_path).of(renamed, CPU, torch.float32).read() is not None


def test_a_whole_checkpoint_whose_tensors_do_not_fit_is_ignored(
    tmp_path: Path, uninterrupted: dict[str, Outcome], caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = Checkpoints(tmp_path, every_seconds=1e9)
    unfit = Checkpoint(4, 8, 0.0, tuple(uninterrupted), "{}", SMALL.tensors)
    checkpoints.of(PACK, CPU, torch.float32).write(_in_order(unfit))
    first, outcomes = resume(PACK, checkpoints)
    assert first == 0
    assert outcomes == uninterrupted
    assert "is ignored" in caplog.text


def _in_order(checkpoint: Checkpoint) -> Checkpoint:
    members = tuple(m.trial for m in sorted(PACK.members, key=pack_order))
    return Checkpoint(
        checkpoint.step, checkpoint.member_steps, 0.0, members, "{}", checkpoint.tensors
    )


def test_a_full_disk_costs_the_checkpoint_and_not_the_training(
    tmp_path: Path, uninterrupted: dict[str, Outcome], caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "a-file"
    blocked.write_text("")
    _, outcomes = resume(PACK, Checkpoints(blocked / "below", every_seconds=0.0))
    assert outcomes == uninterrupted
    assert "no checkpoint could be written" in caplog.text


def test_a_checkpoint_is_removed_by_its_packs_name(tmp_path: Path) -> None:
    file = small_file(tmp_path)
    for _ in range(2):
        Checkpoints(tmp_path).remove(PACK.cohort_id)
        assert not file.path.exists()
