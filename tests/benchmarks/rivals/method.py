"""Who competes in the boundary benchmark."""

from enum import Enum


class Method(Enum):
    """A way to find the boundary. Values are the names printed."""

    OURS = "Rankfall"
    FULL_GRID = "full grid"
    GRID = "grid"
    RANDOM = "random + GP"
    BISECTION = "bisection"
    WARM = "warm bisection"
    STRADDLE = "GP straddle (BoTorch)"
    TPE = "Optuna TPE + GP"
    GP_SAMPLER = "Optuna GPSampler + GP"
    AEPSYCH = "AEPsych EAVC + GP"
