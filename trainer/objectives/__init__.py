"""Losses bound to the scalars of a stack of members, one file per family."""
