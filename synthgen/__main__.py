"""`python -m synthgen`, also `torchrun -m -- synthgen`: without `--`, torchrun takes `--n` for its own option."""

from __future__ import annotations

import sys

from synthgen.cli import main

if __name__ == "__main__":
    sys.exit(main())
