"""Which of several processes of one run this is, as torchrun, Ray Train and their like say it."""

from __future__ import annotations

import os


def several() -> bool:
    """Whether this process has others beside it."""
    return "RANK" in os.environ and os.environ.get("WORLD_SIZE", "1") != "1"


def leads() -> bool:
    """Whether this is the process that writes and speaks: alone, or the first one."""
    return not several() or os.environ["RANK"] == "0"
