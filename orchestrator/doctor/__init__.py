"""Checks of a machine before anything is spent on it: what is wrong, and how to mend it."""
