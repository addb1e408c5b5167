from orchestrator.results import load

demo = load("demo")  # a name in rankfall-results, or a study's own folder
edge = demo.boundary(kind="supcon", temperature=0.05)
low, high = edge.band
print(f"critical learning rate {edge.median:.2g}, 95 % band {low:.2g} to {high:.2g}")
by_regime = demo.trials.groupby(["objective.kind", "regime"]).size().unstack(fill_value=0)
print(by_regime[["healthy", "complete"]].to_string())
