"""Workers that share every batch: equal to one worker, for every kind of objective.

Real processes with gloo; no Ray.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import get_args

import pytest
import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from tests.trainer.cohorts import CPU, make_cohort, make_member
from trainer.checkpoint import Checkpoints
from trainer.cohort import Cohort, Member, Outcome
from trainer.collapse.regime import Regime
from trainer.crew import ALONE, Crew
from trainer.errors import SplitError, UnequalWorkersError
from trainer.loop import Progress, train_cohort
from trainer.objective_settings import ObjectiveSettings
from trainer.settings import CollapseSettings, ModelSettings, TrainSettings

WORKERS = 2
STEPS = 9
MODEL = ModelSettings(encoder="mlp", hidden=(24,), head_hidden=(16,), embed_dim=16, norm="layer")
CHECKS = CollapseSettings(every_steps=3, settle_checks=2, margin=0.9)
KINDS = [kind.model_fields["kind"].default for kind in get_args(get_args(ObjectiveSettings)[0])]
RAGGED = {"batch_size": 31, "steps": STEPS, "split": "data"}
ROUTES: dict[str, dict[str, object]] = {
    "whole": {},
    "micro-batches-clipped-adam": {"micro_batch_size": 4, "clip_norm": 0.5, "optimizer": "adam"},
}


def every_kind() -> list[Member]:
    members = [make_member(str(kind), lr=0.03, kind=kind) for kind in KINDS]
    radius = make_member("learnable", lr=0.03, kind="static_svr", radius_mode="learnable")
    return [*members, radius]


def make_pack(members: list[Member], **train: object) -> Cohort:
    settings = TrainSettings.model_validate({**RAGGED, **train})
    return make_cohort(members, model=MODEL, train=settings, collapse=CHECKS)


def decided_pack() -> Cohort:
    """Return members that stay, leave early, are audited, and diverge."""
    collapsing = make_member("collapsing", lr=300.0, kind="supcon")
    return make_pack(
        [
            make_member("calm", lr=0.03, kind="infonce"),
            collapsing,
            collapsing.model_copy(update={"trial": "audited", "audited": True}),
            make_member("diverging", lr=1e20, kind="vicreg"),
        ]
    )


PACKS: dict[str, Callable[[], Cohort]] = {
    **{name: partial(make_pack, every_kind(), **train) for name, train in ROUTES.items()},
    "decided": decided_pack,
}


def train(pack: Cohort, crew: Crew = ALONE, folder: Path | None = None) -> list[Outcome]:
    """Train in float64, so that rounding stays far below what the tests look for."""
    checkpoints = None if folder is None else Checkpoints(folder, 0.0)
    return train_cohort(pack, device=CPU, dtype=torch.float64, crew=crew, checkpoints=checkpoints)


def join(rank: int, folder: str) -> Crew:
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=WORKERS)
    return Crew.of_world()


def work(rank: int, folder: str) -> None:
    crew = join(rank, folder)
    found = {name: train(pack(), crew) for name, pack in PACKS.items()}
    found["resumed"] = train_interrupted(crew, Path(folder))
    torch.save(
        {n: [o.model_dump_json() for o in os_] for n, os_ in found.items()}, f"{folder}/{rank}"
    )
    with pytest.raises(UnequalWorkersError, match=r"1 of 2 tensors differ, b first"):
        crew.require_equal({"a": torch.ones(3), "b": torch.tensor([1.0, 2.0 + rank])})
    dist.destroy_process_group()


def train_interrupted(crew: Crew, folder: Path) -> list[Outcome]:
    """Train half of the steps, then begin again with what the leader kept."""
    pack = make_pack(every_kind())

    class InterruptedError(Exception):
        pass

    def die(progress: Progress) -> None:
        if progress.step == 5:
            raise InterruptedError

    kept = Checkpoints(folder / "kept", 0.0)
    with pytest.raises(InterruptedError):
        train_cohort(
            pack, device=CPU, dtype=torch.float64, crew=crew, checkpoints=kept, on_step=die
        )
    dist.barrier()
    return train(pack, crew, folder / "kept")


Found = dict[str, dict[str, Outcome]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Found]:
    """What each of two workers returned, by pack and trial."""
    folder = tmp_path_factory.mktemp("crew")
    spawn(work, args=(str(folder),), nprocs=WORKERS)  # type: ignore[no-untyped-call]
    loaded = [torch.load(folder / str(rank)) for rank in range(WORKERS)]
    return [
        {
            name: {o.trial: o for o in map(Outcome.model_validate_json, texts)}
            for name, texts in content.items()
        }
        for content in loaded
    ]


def assert_alike(split: Outcome, alone: Outcome) -> None:
    assert (split.regime, split.steps_done) == (alone.regime, alone.steps_done)
    assert (split.decided_early, split.early_regime) == (alone.decided_early, alone.early_regime)
    assert split.history.steps == alone.history.steps
    for name, values in alone.history.values.items():
        assert split.history.values[name] == pytest.approx(values, rel=1e-6, abs=1e-9), name
    assert split.measures == pytest.approx(alone.measures, rel=1e-6, abs=1e-9)
    assert split.spectrum == pytest.approx(alone.spectrum, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("route", ROUTES)
def test_two_workers_on_ragged_shares_equal_one_for_every_objective(
    route: str, found: list[Found]
) -> None:
    alone = {o.trial: o for o in train(PACKS[route]())}
    split = found[0][route]
    assert len(KINDS) >= 14
    assert split.keys() == alone.keys()
    for trial, outcome in alone.items():
        assert_alike(split[trial], outcome)
        # And something was trained, or equality shows nothing.
        losses = outcome.history.values["train_loss"]
        assert losses[-1] != losses[0]


def test_workers_part_with_decided_and_diverged_members_at_the_same_steps(
    found: list[Found],
) -> None:
    alone = {o.trial: o for o in train(decided_pack())}
    assert alone["collapsing"].steps_done < STEPS
    assert alone["audited"].steps_done == STEPS
    assert alone["diverging"].regime is Regime.DIVERGED
    for trial in ("calm", "collapsing", "audited", "diverging"):
        split = found[0]["decided"][trial]
        assert (split.regime, split.steps_done) == (alone[trial].regime, alone[trial].steps_done)
    assert_alike(found[0]["decided"]["calm"], alone["calm"])


def without_seconds(outcomes: dict[str, Outcome]) -> list[Outcome]:
    return [outcome.model_copy(update={"seconds": 0.0}) for outcome in outcomes.values()]


def test_all_workers_come_to_the_same_bits(found: list[Found]) -> None:
    for name in found[0]:
        assert without_seconds(found[1][name]) == without_seconds(found[0][name])


def test_an_interrupted_crew_goes_on_from_its_leaders_checkpoint(found: list[Found]) -> None:
    assert without_seconds(found[0]["resumed"]) == without_seconds(found[0]["whole"])


def test_batch_norm_is_refused_on_any_number_of_workers() -> None:
    pack = make_pack([make_member("a", lr=0.1, kind="infonce")])
    normed = pack.model_copy(update={"model": MODEL.model_copy(update={"norm": "batch"})})
    with pytest.raises(SplitError, match=r"norm: layer or none, or split: members"):
        train_cohort(normed, device=CPU)


@pytest.mark.parametrize(("batch", "size"), [(31, 2), (8, 2), (7, 3), (2, 5)])
def test_shares_cover_the_batch_and_differ_by_one_at_most(batch: int, size: int) -> None:
    shares = [Crew(rank, size).own_rows(batch) for rank in range(size)]
    covered = [i for share in shares for i in range(share.start, share.stop)]
    assert covered == list(range(batch))
    lengths = [share.stop - share.start for share in shares]
    assert max(lengths) - min(lengths) <= 1


def test_a_worker_alone_communicates_with_nobody() -> None:
    assert Crew.of_world() == ALONE
    assert ALONE.leads
    rows = torch.randn(2, 6, 3)
    assert torch.equal(ALONE.gather_views(rows), rows)
    assert ALONE.follow("as decided") == "as decided"
    ALONE.require_equal({"a": torch.tensor([float("nan")])})
