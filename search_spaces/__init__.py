"""The study file: its schema, its axes, and the studies that ship with Rankfall."""
