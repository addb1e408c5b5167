"""What can be wrong with the input of a measurement.

MeasurementError
├── EmbeddingShapeError       the tensor has the wrong shape or dtype, or too few rows
└── NonFiniteEmbeddingError   NaN or infinity: the run diverged
"""


class MeasurementError(ValueError):
    """Base of every refusal of an instrument."""


class EmbeddingShapeError(MeasurementError):
    """The tensor has the wrong shape or dtype, or too few rows to measure anything."""


class NonFiniteEmbeddingError(MeasurementError):
    """Embeddings contain NaN or infinity: the run diverged, which is not collapse."""
