"""A process that writes one file, named as its argument, over and over until it is killed.

Every version is one byte value, repeated; a reader can tell a whole file from a part or a mix.
"""

import itertools
import sys
from pathlib import Path

from trainer.durable import write_durably

SIZE_BYTES = 3_000_000

if __name__ == "__main__":
    for version in itertools.count():
        write_durably(Path(sys.argv[1]), bytes([version % 256]) * SIZE_BYTES)
