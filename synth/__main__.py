"""``python -m synth``: the same as ``synth``."""

from synth.cli import main

if __name__ == "__main__":
    main()
