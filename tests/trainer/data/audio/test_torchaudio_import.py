"""torchaudio is imported beside any torch; the stand-in is there only where it must be."""

import pytest
import torch

from trainer.data.audio.torchaudio_import import import_torchaudio


def test_what_is_used_of_torchaudio_is_there() -> None:
    torchaudio = import_torchaudio()
    assert torchaudio is import_torchaudio()
    resampler = torchaudio.transforms.Resample(16_000, 32_000)
    assert resampler(torch.zeros(160)).shape == (320,)


def test_what_needs_the_extension_says_so_where_it_cannot_be_loaded() -> None:
    torchaudio = import_torchaudio()
    if torchaudio._extension._IS_TORCHAUDIO_EXT_AVAILABLE:
        pytest.skip("this torchaudio fits this torch: nothing is stood in")
    with pytest.raises(RuntimeError, match="needs torchaudio's extension, which cannot be loaded"):
        torchaudio.functional.forced_align(
            torch.zeros(1, 2, 3), torch.zeros(1, 1, dtype=torch.int32)
        )
