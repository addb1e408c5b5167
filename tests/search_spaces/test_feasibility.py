"""What is known of a source without loading it is true."""

import pytest

from search_spaces.feasibility import know_source
from trainer.data.images import load_images
from trainer.settings import DataSettings


@pytest.mark.parametrize("test_fraction", [0.1, 0.3, 0.55])
def test_the_facts_of_the_digits_are_those_of_the_loaded_data(test_fraction: float) -> None:
    settings = DataSettings(source="digits", test_fraction=test_fraction)
    images = load_images(settings)
    facts = know_source(settings)
    assert facts.class_count == images.class_count
    assert facts.image_shape == images.image_shape
    assert facts.image_count == len(images.train_labels_N) + len(images.test_labels_N)
    assert facts.split(test_fraction) == (len(images.train_labels_N), len(images.test_labels_N))
