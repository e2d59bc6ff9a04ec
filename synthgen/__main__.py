"""`python -m synthgen`, also `torchrun -m -- synthgen` (without `--`, torchrun takes `--n` for an option of its own)."""

from __future__ import annotations

import sys

from synthgen.cli import main

if __name__ == "__main__":
    sys.exit(main())
