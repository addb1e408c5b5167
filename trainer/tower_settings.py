"""The two towers of an audio-text study: an encoder and a projection head each.

Frozen pydantic models, as in trainer/settings.py: this is where YAML or a Ray dict comes in.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from trainer.settings import Frozen, Norm, PositiveInt

AudioEncoderName = Literal["pooled_mel", "conv", "clap", "ast", "wav2vec2", "yamnet"]
TextEncoderName = Literal["word_hash", "transformer", "roberta", "xlm_roberta", "bert", "use"]

FIXED_AUDIO: frozenset[str] = frozenset({"pooled_mel", "yamnet"})
FIXED_TEXT: frozenset[str] = frozenset({"word_hash", "use"})
"""Encoders without anything to train: their features are computed once, as a frozen one's."""


def _audio_hidden(given: dict[str, Any]) -> tuple[int, ...]:
    return {"conv": (32, 64, 128)}.get(given["encoder"], ())


def _text_hidden(given: dict[str, Any]) -> tuple[int, ...]:
    return {"transformer": (64, 64)}.get(given["encoder"], ())


class AudioTowerSettings(Frozen):
    """The encoder of clips.

    ``pooled_mel``: no network; mean and deviation of every mel band over ``segments`` equal
    stretches of the clip. ``conv``: 3 x 3 convolutions on the log-mel spectrogram, from scratch,
    of the widths ``hidden``. ``clap`` (HTSAT), ``ast`` and ``wav2vec2`` are those of
    transformers, from ``weights``: a local folder in Hugging Face's format. ``yamnet`` is frozen
    AudioSet features, of the optional extra ``yamnet``.

    ``frozen`` trains the head alone, on features that are computed once.
    """

    encoder: AudioEncoderName = "pooled_mel"
    weights: str | None = None
    frozen: bool = False
    hidden: tuple[PositiveInt, ...] = Field(default_factory=_audio_hidden)
    segments: Annotated[int, Field(ge=1, le=64)] = 4

    @property
    def is_fixed(self) -> bool:
        """Whether the encoder stays as it is, so that its features can be computed once."""
        return self.frozen or self.encoder in FIXED_AUDIO


class TextTowerSettings(Frozen):
    """The encoder of captions.

    ``word_hash``: no network; words and pairs of neighbouring words, hashed to ``buckets`` signed
    counts. ``transformer``: a small one from scratch, one width of ``hidden`` per layer, all
    equal, on the words of the train captions. ``roberta``, ``xlm_roberta`` and ``bert`` (MiniLM)
    are those of transformers, from ``weights``. ``use`` is the multilingual universal sentence
    encoder, frozen, of the optional extra ``use``. ``tokens``: at most so many of a caption
    count, the first ones.
    """

    encoder: TextEncoderName = "word_hash"
    weights: str | None = None
    frozen: bool = False
    hidden: tuple[PositiveInt, ...] = Field(default_factory=_text_hidden)
    buckets: Annotated[int, Field(ge=16, le=65_536)] = 512
    tokens: Annotated[int, Field(ge=4, le=512)] = 48

    @property
    def is_fixed(self) -> bool:
        """Whether the encoder stays as it is, so that its features can be computed once."""
        return self.frozen or self.encoder in FIXED_TEXT


class TowersSettings(Frozen):
    """Two encoders, and a head (linear, norm, ReLU; then linear) from each to ``embed_dim``.

    ``norm`` is that of the heads' hidden layers and of the encoders from scratch.

    ``weight_noise`` is added once to the initial weights of all that is trained, drawn or loaded:
    Gaussian noise, so large a share of the standard deviation of each tensor's own entries, drawn
    by the trial's seed. A tower that is ``frozen`` gets it on its head alone.
    """

    audio: AudioTowerSettings = AudioTowerSettings()
    text: TextTowerSettings = TextTowerSettings()
    head_hidden: tuple[PositiveInt, ...] = (256,)
    embed_dim: Annotated[int, Field(ge=2)] = 64
    norm: Norm = "none"
    weight_noise: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0
