"""What a lane's worker does on a GPU: skipped, visibly, where there is none."""

from pathlib import Path

import pytest
import torch

from tests.trainer.cohorts import make_cohort, make_member
from trainer.checkpoint import Checkpoints
from trainer.crew import ALONE
from trainer.lane_messages import PackDone
from trainer.lane_worker import Worker, limit_memory
from trainer.outbox import Outbox
from trainer.settings import ModelSettings, TrainSettings

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
SHARE = 0.05


def test_a_pack_that_outgrows_its_share_of_the_memory_is_halved(tmp_path: Path) -> None:
    device = torch.device("cuda")
    limit_memory(device, SHARE)
    try:
        total = torch.cuda.get_device_properties(device).total_memory
        width = 4096
        # Parameters of one member take about 12 width^2 bytes with momentum and gradients.
        members = int(2 * SHARE * total / (12 * width * width)) + 2
        pack = make_cohort(
            [make_member(f"{i:04d}", lr=0.01, kind="infonce") for i in range(members)],
            model=ModelSettings(encoder="mlp", hidden=(width, width), embed_dim=16),
            train=TrainSettings(batch_size=32, steps=2),
        )
        told: list[object] = []
        checkpoints = Checkpoints(tmp_path / "kept")
        worker = Worker(device, ALONE, Outbox(tmp_path / "outbox"), checkpoints, told.append)
        answer = worker.train(pack)
        assert isinstance(answer, PackDone), answer
        assert len(answer.outcomes) == members
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
