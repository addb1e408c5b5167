"""The study file's keys are those of the trainer's models."""

import dataclasses
from typing import get_args

from search_spaces.measures import COUPLING_MEASURES, RETRIEVAL_MEASURES, Measure
from search_spaces.rules import EVALUATE_MEASURES
from search_spaces.schema import (
    objective_models,
    objective_paths,
    objective_schemas,
    paths_of,
    section_schema,
)
from trainer.collapse.spectrum import Collapse


def test_every_kind_of_the_union_is_known_by_its_name() -> None:
    models = objective_models()
    assert list(models)[:2] == ["infonce", "nt_xent"]
    assert all(model.model_fields["kind"].default == kind for kind, model in models.items())


def test_a_key_is_spelt_as_in_a_file() -> None:
    assert "objective.lambda" in objective_paths("clop")
    assert "objective.lambda_" not in objective_paths("clop")
    assert objective_paths("nt_xent") == {"objective.kind", "objective.temperature"}


def test_nested_settings_are_dotted_paths() -> None:
    paths = dict(paths_of(section_schema()))
    assert paths["data.augment.noise_std"].is_number
    assert paths["model.hidden"].is_sequence
    assert paths["train.batch_size"].is_whole
    assert paths["model.norm"].choices == ("batch", "group", "layer", "none")
    assert paths["lr"].is_required
    assert not any(path.startswith(("objective", "collapse")) for path in paths)


def test_a_key_shared_by_kinds_never_is_a_value_of_one_and_a_mapping_of_another() -> None:
    shapes: dict[str, set[type]] = {}
    for schema in objective_schemas().values():
        for key, child in schema.children.items():
            shapes.setdefault(key, set()).add(type(child))
    assert all(len(kinds) == 1 for kinds in shapes.values())


def test_the_metrics_that_can_be_optimised_are_those_that_are_measured() -> None:
    collapse = {f.name for f in dataclasses.fields(Collapse) if f.name != "spectrum_K"}
    others = {"knn_accuracy", "train_loss"} | COUPLING_MEASURES | RETRIEVAL_MEASURES
    assert set(get_args(Measure)) == collapse | others | EVALUATE_MEASURES.keys()
