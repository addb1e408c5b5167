"""Tests of trainer.objectives."""
