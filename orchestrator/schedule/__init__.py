"""Schedules: studies that are submitted by the clock, once for each fire time."""
