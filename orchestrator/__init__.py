"""Sweeps: ledger, planners, Ray Tune, tracking, report and the command line."""
