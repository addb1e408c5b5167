"""Data sources, one a file, behind one interface."""
