"""The recipe in Ray's documentation: a Tune function that starts a TorchTrainer for every trial.

With OptunaSearch and MLflow's callback, two workers a trial. The training itself is Rankfall's
(one trial alone), so that only the orchestration differs. Run as
``python tests/benchmarks/recipe.py FOLDER TRIALS`` with one cohort of one member as JSON on
stdin; prints the seconds of the whole sweep and of its training alone, without ``ray.init``.

Source: docs.ray.io, "Hyperparameter Tuning with Ray Tune" of Ray Train.
"""

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import ray
import ray.train
import torch
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.train.torch import TorchTrainer
from ray.tune.integration.ray_train import TuneReportCallback
from ray.tune.search.optuna import OptunaSearch

from trainer.cohort import Cohort
from trainer.loop import train_cohort

WORKERS = 2


def train_worker(config: dict[str, Any]) -> None:
    """Train the trial on every worker; rank 0's report reaches Tune."""
    torch.set_num_threads(1)
    cohort = Cohort.model_validate_json(config["cohort"])
    member = cohort.members[0].model_copy(update={"lr": config["lr"]})
    started = time.perf_counter()
    (outcome,) = train_cohort(
        cohort.model_copy(update={"members": (member,)}), device=torch.device("cpu")
    )
    seconds = time.perf_counter() - started
    ray.train.report({"score": outcome.score, "seconds": seconds})


def run_trial(config: dict[str, Any]) -> None:
    """Start a worker group for one trial: Tune's function trainable."""
    trainer = TorchTrainer(
        train_worker,
        train_loop_config=config,
        scaling_config=ray.train.ScalingConfig(
            num_workers=WORKERS, resources_per_worker={"CPU": 0.9}
        ),
        run_config=ray.train.RunConfig(
            name=f"train-{tune.get_context().get_trial_id()}",
            storage_path=config["storage"],
            callbacks=[TuneReportCallback()],  # type: ignore[no-untyped-call, list-item]
        ),
    )
    trainer.fit()


def main() -> None:
    """Run the sweep and print what it took, as JSON."""
    folder, trials = Path(sys.argv[1]), int(sys.argv[2])
    ray.init(address="local", log_to_driver=False, logging_level=logging.ERROR)
    tuner = tune.Tuner(
        tune.with_resources(run_trial, {"CPU": 0.1}),
        param_space={
            "lr": tune.loguniform(0.01, 1.0),
            "cohort": sys.stdin.read(),
            "storage": str(folder / "train"),
        },
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(metric="score", mode="max", seed=0),
            num_samples=trials,
            max_concurrent_trials=1,
        ),
        run_config=tune.RunConfig(
            name="recipe",
            storage_path=str(folder / "tune"),
            verbose=0,
            callbacks=[
                MLflowLoggerCallback(
                    tracking_uri=f"sqlite:///{folder / 'mlflow.db'}", experiment_name="recipe"
                )
            ],
        ),
    )
    started = time.perf_counter()
    results = tuner.fit()
    seconds = time.perf_counter() - started
    assert not results.errors, results.errors
    reports = [results[i].metrics or {} for i in range(len(results))]
    training = sum(report["seconds"] for report in reports)
    print(json.dumps({"seconds": seconds, "training_seconds": training}))


if __name__ == "__main__":
    main()
