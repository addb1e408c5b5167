"""Captions as numbers: words, hashed words, ids of a tokenizer."""
