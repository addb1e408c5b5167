"""Encoders and heads, stacked over members."""
