"""Figures for papers: a column wide, vector or pixels, each with its data as CSV."""
