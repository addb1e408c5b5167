"""The surface model of the boundary: pure numpy and scipy, knows no study and no Ray."""
