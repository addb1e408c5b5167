"""Tests of orchestrator.claims."""
