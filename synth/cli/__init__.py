"""The command line: parse, call, print. Heavy imports wait until a command needs them, so that ``--help`` is quick."""

from synth.cli.main import main

__all__ = ["main"]
