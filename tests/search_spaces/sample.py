"""A small valid study, and ways to change it for a test."""

from search_spaces.errors import StudyFileError
from search_spaces.load import parse_study
from search_spaces.schema import objective_models
from search_spaces.study import Study

KINDS_IN_ORDER = ", ".join(objective_models())
KINDS = ", ".join(sorted(objective_models()))

SAMPLE = """\
study: small
question: boundary
data: {source: digits}
model: {encoder: mlp, hidden: [16], embed_dim: 16}
train: {batch_size: 64, steps: 10}
objective:
  kind: [infonce, clop]
  temperature: {low: 0.1, high: 1.0, log: true, points: 3}
  lambda: 1.0
lr: {low: 1e-2, high: 10, log: true}
seeds: 2
budget: {trials: 40}
"""


def sample_with(old: str, new: str) -> str:
    """Return the sample with one piece of text, which must be there, replaced."""
    assert old in SAMPLE
    return SAMPLE.replace(old, new)


def parse(text: str = SAMPLE, *overrides: str) -> Study:
    """Parse under the name ``s.yaml``."""
    return parse_study(text, "s.yaml", overrides)


def complaint_of(text: str, *overrides: str) -> str:
    """Return the whole message of a study that must not parse."""
    try:
        study = parse(text, *overrides)
    except StudyFileError as error:
        return str(error)
    raise AssertionError(f"parsed as {study}")
