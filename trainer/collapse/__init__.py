"""Measures of collapse, pure torch: spectrum, geometry, regime."""
