"""Comparisons of arms on paired seeds, within a study and across studies."""
