"""Trains one cohort; knows no study, no Ray Tune, no MLflow."""
