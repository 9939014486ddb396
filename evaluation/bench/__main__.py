"""``python -m evaluation.bench`` is ``synth bench``."""

from __future__ import annotations

import sys

from synth.cli.main import run

if __name__ == "__main__":
    sys.exit(run(["bench", *sys.argv[1:]]))
