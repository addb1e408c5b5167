"""Tiny pretrained encoders in Hugging Face's format, written by the tests; clips to suit them."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from trainer.audio_settings import AudioSettings, MelSettings
from trainer.models.hub_encoder import import_transformers

LIBRARY = import_transformers()

BANDS = 16
AUDIO = AudioSettings(
    sample_rate_hz=16_000,
    clip_seconds=0.5,
    mel=MelSettings(window_samples=512, hop_samples=160, bands=BANDS, high_hz=8000.0),
)
FRAMES = AUDIO.frames
SAMPLES = AUDIO.clip_samples
WORDS = ("violin", "drum", "a", "then", "two", "bells")

_CLAP = {
    "num_mel_bins": BANDS,
    "spec_size": 32,
    "window_size": 4,
    "patch_embeds_hidden_size": 8,
    "hidden_size": 16,
    "depths": [1, 1],
    "num_attention_heads": [1, 2],
    "num_hidden_layers": 2,
    "hidden_dropout_prob": 0.5,
    "attention_probs_dropout_prob": 0.5,
    "drop_path_rate": 0.5,
}
_AST = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "patch_size": 8,
    "frequency_stride": 4,
    "time_stride": 8,
    "max_length": 64,
    "num_mel_bins": BANDS,
    "hidden_dropout_prob": 0.5,
}
_WAV2VEC2 = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (8, 8, 8),
    "conv_kernel": (10, 8, 8),
    "conv_stride": (5, 8, 8),
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "layerdrop": 0.9,
}
_TEXT = {
    "vocab_size": 12,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 32,
    "hidden_dropout_prob": 0.5,
}


def save_clap(folder: Path, **config: Any) -> Any:
    """Save CLAP's audio encoder; its batch norm has seen decibels."""
    torch.manual_seed(5)
    network = LIBRARY.ClapAudioModel(LIBRARY.ClapAudioConfig(**_CLAP | config))
    see_decibels(network)
    network.save_pretrained(folder)
    return network.double().train(False)


def see_decibels(network: Any) -> None:
    """Give the batch norm the statistics of spectrograms in decibels."""
    norm = network.audio_encoder.batch_norm
    norm.running_mean += torch.linspace(-60, -30, BANDS)
    norm.running_var *= 150


def save_ast(folder: Path, **config: Any) -> Any:
    torch.manual_seed(5)
    network = LIBRARY.ASTModel(LIBRARY.ASTConfig(**_AST | config))
    for token in ("cls_token", "distillation_token", "position_embeddings"):
        torch.nn.init.normal_(getattr(network.embeddings, token))  # they are born as zeros
    network.save_pretrained(folder)
    return network.double().train(False)


def save_wav2vec2(folder: Path, **config: Any) -> Any:
    torch.manual_seed(5)
    network = LIBRARY.Wav2Vec2Model(LIBRARY.Wav2Vec2Config(**_WAV2VEC2 | config))
    network.save_pretrained(folder)
    return network.double().train(False)


def save_roberta(folder: Path) -> Any:
    """Save RoBERTa with a tokenizer whose padding is 1."""
    torch.manual_seed(5)
    network = LIBRARY.RobertaModel(
        LIBRARY.RobertaConfig(**_TEXT, pad_token_id=1, bos_token_id=0, eos_token_id=2),
        add_pooling_layer=False,
    )
    network.save_pretrained(folder)
    _save_word_tokenizer(folder)
    return network.double().train(False)


def save_xlm_roberta(folder: Path) -> Any:
    torch.manual_seed(5)
    network = LIBRARY.XLMRobertaModel(
        LIBRARY.XLMRobertaConfig(**_TEXT, pad_token_id=1, bos_token_id=0, eos_token_id=2),
        add_pooling_layer=False,
    )
    network.save_pretrained(folder)
    _save_word_tokenizer(folder)
    return network.double().train(False)


def save_bert(folder: Path) -> Any:
    """Save BERT with a WordPiece tokenizer whose padding is 0."""
    torch.manual_seed(5)
    network = LIBRARY.BertModel(
        LIBRARY.BertConfig(**_TEXT, pad_token_id=0), add_pooling_layer=False
    )
    network.save_pretrained(folder)
    terms = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)
    LIBRARY.BertTokenizer(vocab={term: i for i, term in enumerate(terms)}).save_pretrained(folder)
    return network.double().train(False)


def _save_word_tokenizer(folder: Path) -> None:
    specials = ("<s>", "<pad>", "</s>", "<unk>")
    vocabulary = {term: i for i, term in enumerate((*specials, *WORDS))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    LIBRARY.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
    ).save_pretrained(folder)
