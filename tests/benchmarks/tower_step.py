"""One real optimiser step of two towers from scratch, with any objective on top.

A convolutional tower on log-mel spectrograms and a transformer on captions, plain PyTorch, Adam:
what is around an objective when its cost is asked for.

Shape legend: B = pairs, T = frames, F = mel bands, L = tokens, D = embedding.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainer.objective import ObjectiveBatch, ObjectiveContext, build_objective
from trainer.objective_settings import ObjectiveSettings

LEARNING_RATE = 5e-5


@dataclass(frozen=True, slots=True)
class Size:
    """Batch and widths; the defaults are those of Rankfall's towers from scratch, or little more.

    Attributes:
        name: What a row calls it.
        batch: Pairs in a step.
        bands, frames: Of a spectrogram.
        channels: Of the convolutions, each of which halves both sides.
        tokens, vocabulary: Of a caption.
        width, layers: Of the transformer.
        embed_dim: Of the embeddings.
    """

    name: str
    batch: int
    bands: int = 64
    frames: int = 200
    channels: tuple[int, ...] = (32, 64, 128)
    tokens: int = 48
    vocabulary: int = 5000
    width: int = 128
    layers: int = 2
    embed_dim: int = 128


class Towers(nn.Module):
    """Both encoders with a linear head each."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for before, after in zip((1, *size.channels), size.channels, strict=False):
            blocks += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
        self.audio = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.words = nn.Embedding(size.vocabulary, size.width)
        layer = nn.TransformerEncoderLayer(
            size.width, nhead=4, dim_feedforward=4 * size.width, dropout=0.0, batch_first=True
        )
        self.text = nn.TransformerEncoder(layer, size.layers, enable_nested_tensor=False)
        self.audio_head = nn.Linear(size.channels[-1], size.embed_dim)
        self.text_head = nn.Linear(size.width, size.embed_dim)

    def forward(self, mel_B1FT: Tensor, tokens_BL: Tensor) -> Tensor:
        """Return raw projections of captions, then of sounds, shape (1, 2B, D)."""
        audio_BD = self.audio_head(self.audio(mel_B1FT))
        text_BD = self.text_head(self.text(self.words(tokens_BL)).mean(dim=1))
        return torch.cat([text_BD, audio_BD])[None]


def prepare_step(settings: ObjectiveSettings, size: Size) -> Callable[[], float]:
    """Return one optimiser step on one fixed batch; each call takes one and returns its loss."""
    torch.manual_seed(0)
    towers = Towers(size)
    mel_B1FT = torch.randn(size.batch, 1, size.bands, size.frames)
    tokens_BL = torch.randint(size.vocabulary, (size.batch, size.tokens))
    labels_1B = torch.zeros(1, size.batch, dtype=torch.int64)
    objective = build_objective([settings], _context(size))
    own = {name: value.requires_grad_() for name, value in objective.init_parameters().items()}
    optimizer = torch.optim.Adam([*towers.parameters(), *own.values()], LEARNING_RATE)

    def step() -> float:
        optimizer.zero_grad()
        views_1ND = towers(mel_B1FT, tokens_BL)
        loss = objective(own, ObjectiveBatch(views_1ND, labels_1B, labels_1B.bool())).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.item()

    return step


def _context(size: Size) -> ObjectiveContext:
    return ObjectiveContext(
        batch_size=size.batch,
        embed_dim=size.embed_dim,
        class_count=1,
        seeds=(0,),
        device=torch.device("cpu"),
        dtype=torch.float32,
    )
