"""Workers that share every batch of an audio-text pack; a transformer heard from wave files."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from tests.trainer.cohorts import CPU, make_member
from tests.trainer.models.tower_folders import save_ast
from tests.trainer.pair_cohorts import make_pair_cohort, tones, write_tones
from trainer.cohort import Cohort, Outcome
from trainer.crew import ALONE, Crew
from trainer.loop import train_cohort

WORKERS = 2
HEARD = {
    "sample_rate_hz": 16_000,
    "clip_seconds": 0.5,
    "mel": {"window_samples": 512, "hop_samples": 160, "bands": 16, "high_hz": 8000.0},
}
WORDS: dict[str, Any] = {"encoder": "transformer", "hidden": (16,), "tokens": 8}


def heads(folder: Path) -> Cohort:
    """Return heads of every objective that SupCLAP compares, on features, in micro-batches."""
    members = [
        make_member(kind, lr=0.003, kind=kind)
        for kind in ("infonce", "siglip", "static_svr", "dynamic_svr")
    ]
    train = {"split": "data", "batch_size": 15, "steps": 6, "micro_batch_size": 4}
    return make_pair_cohort(members, tones(folder), train=train, evaluate={"drift": True})


def transformer(folder: Path, steps: int = 6, split: str = "data") -> Cohort:
    """Return a member whose audio encoder is a transformer of random weights, trained."""
    model = {"audio": {"encoder": "ast", "weights": str(folder / "ast")}, "text": WORDS}
    train = {"split": split, "steps": steps}
    members = [make_member("ast", lr=0.002, kind="static_svr", temperature=0.1)]
    return make_pair_cohort(members, tones(folder, **HEARD), model=model, train=train)


PACKS = {"heads": heads, "transformer": transformer}


def train(pack: Cohort, crew: Crew = ALONE) -> dict[str, Outcome]:
    """Train in float64, so that rounding stays far below what the tests look for."""
    outcomes = train_cohort(pack, device=CPU, dtype=torch.float64, crew=crew)
    return {o.trial: o.model_copy(update={"seconds": 0.0}) for o in outcomes}


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=WORKERS)
    crew = Crew.of_world()
    found = {name: train(pack(Path(folder)), crew) for name, pack in PACKS.items()}
    texts = {n: [o.model_dump_json() for o in os_.values()] for n, os_ in found.items()}
    torch.save(texts, f"{folder}/{rank}")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tones")
    write_tones(path)
    (path / "ast").mkdir()
    save_ast(path / "ast")
    return path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANKFALL_CACHE", str(tmp_path_factory.getbasetemp() / "pair-cache"))


@pytest.mark.slow
def test_two_workers_that_share_batches_equal_one(folder: Path) -> None:
    expected = {name: train(pack(folder)) for name, pack in PACKS.items()}
    spawn(work, args=(str(folder),), nprocs=WORKERS)  # type: ignore[no-untyped-call]
    for rank in range(WORKERS):
        found = torch.load(folder / str(rank))
        for name, alone in expected.items():
            split = {o.trial: o for o in map(Outcome.model_validate_json, found[name])}
            assert split.keys() == alone.keys()
            for trial, outcome in alone.items():
                assert split[trial].measures == pytest.approx(
                    outcome.measures, rel=1e-6, abs=1e-9
                ), (name, trial)
                losses = outcome.history.values["train_loss"]
                assert losses[-1] != losses[0], "something was trained"


def test_a_transformer_of_random_weights_learns_from_wave_files(folder: Path) -> None:
    pack = transformer(folder, steps=150, split="members")
    outcome = train_cohort(pack, device=CPU)[0]
    assert outcome.measures["train_loss"] < 0.6 * outcome.initial["train_loss"]
    assert outcome.measures["recall_at_1"] >= 0.5, "8 clips: 1 in 8 by chance"
