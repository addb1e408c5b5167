"""Contrastive objectives, pure torch, over leading member dimensions. One family a file."""
