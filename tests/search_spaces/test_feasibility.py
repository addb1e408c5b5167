"""What is known of a source without loading it is true."""

import pytest

from search_spaces.feasibility import find_obstacle, know_source
from trainer.data.images import load_images
from trainer.settings import DataSettings
from trainer.trial_settings import TrialSettings


@pytest.mark.parametrize("test_fraction", [0.1, 0.3, 0.55])
def test_the_facts_of_the_digits_are_those_of_the_loaded_data(test_fraction: float) -> None:
    settings = DataSettings(source="digits", test_fraction=test_fraction)
    images = load_images(settings)
    facts = know_source(settings)
    assert facts.class_count == images.class_count
    assert facts.image_shape == images.image_shape
    assert facts.train_count == len(images.train_labels_N)
    assert facts.test_count == len(images.test_labels_N)


@pytest.mark.parametrize(
    ("model", "micro", "is_refused"),
    [
        ({"encoder": "mlp", "norm": "batch"}, 32, True),
        ({"encoder": "mlp", "norm": "batch"}, 64, False),  # one micro-batch is the batch
        ({"encoder": "mlp", "norm": "layer"}, 32, False),
        ({"encoder": "resnet"}, 32, True),
        ({"encoder": "resnet", "frozen": True}, 32, False),
        ({"encoder": "vit"}, 32, False),
    ],
    ids=str,
)
def test_micro_batches_of_batch_norm_are_an_obstacle(
    model: dict[str, object], micro: int, is_refused: bool
) -> None:
    trial = TrialSettings.model_validate(
        {
            "data": {"source": "digits"},
            "model": model,
            "train": {"batch_size": 64, "micro_batch_size": micro},
            "objective": {"kind": "infonce"},
            "lr": 0.1,
        }
    )
    obstacle = find_obstacle(trial)
    assert (obstacle is not None) == is_refused
    if obstacle is not None:
        assert obstacle.path == "train.micro_batch_size"
        assert "statistics are those of the whole batch" in obstacle.reason
