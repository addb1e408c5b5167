"""Sounds with captions: one interface, one file per source, fitting, log-mel, augmentation."""
