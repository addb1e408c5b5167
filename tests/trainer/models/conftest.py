"""transformers imports torchaudio, which must be imported our way beside a CPU build of torch."""

from trainer.data.audio.torchaudio_import import import_torchaudio

import_torchaudio()
