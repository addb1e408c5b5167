"""Clips in memory: a source without files."""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.data.audio.source import SPLITS, AudioSource, Clip


@dataclass(frozen=True)
class Sines:
    """Clips of one sine each, the higher the later in the source, and a little noise."""

    rate_hz: int
    seconds: float
    take: int = 0

    def read(self, position: int) -> Tensor:
        generator = torch.Generator().manual_seed(position)
        times = torch.arange(round(self.seconds * self.rate_hz)) / self.rate_hz
        noise = 0.01 * torch.randn(len(times), generator=generator)
        return 0.5 * torch.sin(2 * torch.pi * 150.0 * (position + 1) * times) + noise

    def fingerprint(self, position: int) -> str:
        return f"{self.rate_hz} {self.seconds} {position} {self.take}"


def sines(count: int, rate_hz: int, seconds: float, take: int = 0) -> AudioSource:
    """Return a source of ``count`` clips, dealt to train, val and test in turn."""
    clips = tuple(
        Clip(f"sine {i}", SPLITS[i % 3], {"en": (f"a tone number {i}",)}) for i in range(count)
    )
    return AudioSource("memory", clips, ("en",), {}, rate_hz, Sines(rate_hz, seconds, take))
