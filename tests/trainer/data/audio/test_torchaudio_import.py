"""torchaudio is imported beside any torch; the stand-in is there only beside a CPU build."""

import pytest
import torch

from trainer.data.audio.torchaudio_import import import_torchaudio


def test_what_is_used_of_torchaudio_is_there() -> None:
    torchaudio = import_torchaudio()
    assert torchaudio is import_torchaudio()
    resampler = torchaudio.transforms.Resample(16_000, 32_000)
    assert resampler(torch.zeros(160)).shape == (320,)


@pytest.mark.skipif(
    torch.version.cuda is not None, reason="beside a CUDA build nothing is stood in"
)
def test_what_needs_the_extension_says_so_beside_a_cpu_build() -> None:
    functional = import_torchaudio().functional
    with pytest.raises(RuntimeError, match="needs torchaudio's extension"):
        functional.forced_align(torch.zeros(1, 2, 3), torch.zeros(1, 1, dtype=torch.int32))
