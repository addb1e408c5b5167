import optuna

from orchestrator.planners.boundary_sampler import BoundarySampler


def objective(trial: optuna.Trial) -> float:
    lr = trial.suggest_float("lr", 1e-3, 100, log=True)
    temperature = trial.suggest_float("temperature", 0.05, 1.0, log=True)
    return 1 + 31 / (1 + 30 * (lr / temperature) ** 3)  # train here, return the effective rank


sampler = BoundarySampler(lr="lr", level=2.0, seed=0)  # where does the rank fall below 2?
study = optuna.create_study(sampler=sampler)
study.optimize(objective, n_trials=40)
edge = sampler.boundary(study, {"temperature": 0.2})
print(f"critical learning rate {edge.median:.3f}, 95 % band {edge.lo:.3f} to {edge.hi:.3f}")
