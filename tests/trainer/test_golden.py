"""A short run is as it was when it was written down, so that no refactoring drifts silently.

After a change that is *meant* to change the numbers: ``python -m tests.trainer.test_golden``
writes golden_curve.json anew; say in the commit why.
"""

import json
from pathlib import Path

import pytest
import torch

from tests.trainer.cohorts import make_cohort, make_member, train_by_trial
from trainer.cohort import Cohort
from trainer.settings import ModelSettings, TrainSettings

CURVE = Path(__file__).with_name("golden_curve.json")
KEPT = ("effective_rank", "train_loss")


def golden_cohort() -> Cohort:
    """Return three members of three kinds whose curves round-off hardly moves in 30 steps."""
    return make_cohort(
        [
            make_member("infonce", lr=0.05, seed=1, kind="infonce", temperature=0.2),
            make_member("supcon", lr=0.1, seed=2, kind="supcon", temperature=0.5),
            make_member("clop", lr=0.1, seed=1, kind="clop", temperature=0.5, label_fraction=0.4),
        ],
        model=ModelSettings(encoder="mlp", hidden=(32, 24), embed_dim=16, norm="batch"),
        train=TrainSettings(batch_size=128, steps=30),
    )


def curves(dtype: torch.dtype = torch.float32) -> dict[str, dict[str, list[float]]]:
    outcomes = train_by_trial(golden_cohort(), dtype)
    return {t: {name: list(o.history.values[name]) for name in KEPT} for t, o in outcomes.items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_curve_is_as_it_was(dtype: torch.dtype) -> None:
    # Twice: how far the two precisions are apart bounds how far two machines can be.
    golden = json.loads(CURVE.read_text())
    ours = curves(dtype)
    assert ours.keys() == golden.keys()
    for trial, curve in golden.items():
        for name, values in curve.items():
            assert len(values) == 7
            assert ours[trial][name] == pytest.approx(values, rel=1e-4)


if __name__ == "__main__":
    CURVE.write_text(json.dumps(curves(), indent=1) + "\n")
