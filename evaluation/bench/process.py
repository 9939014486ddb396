"""Run a command as a process of its own and weigh it: wall time, CPU time, peak memory.

Linux carries the memory of the process that forks over to the peak of the process it starts. So a tiny interpreter stands
between the benchmark and the command, and the peak is the command's own.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from synth.errors import SynthError

WEIGH = """\
import json, os, sys
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss], file)
"""
MAX_REASON = 300


def weighed(
    arguments: Sequence[str],
    what: str,
    *,
    limit: float | None = None,
    environment: Mapping[str, str] | None = None,
) -> dict[str, float]:
    """Run a command to its end.

    Args:
        arguments: Program and arguments.
        what: Name of the command in errors.
        limit: Seconds after which it is stopped; ``None`` for no limit.
        environment: Variables that differ from this process's.

    Returns:
        Wall seconds, CPU seconds and peak resident memory in MiB, start-up included.

    Raises:
        SynthError: It failed or took too long; the text ends with its own last words.
    """
    with tempfile.TemporaryDirectory() as folder:
        scale, words = Path(folder) / "scale.json", Path(folder) / "words"
        started = time.monotonic()
        with words.open("wb") as errors:
            child = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", WEIGH, str(scale), *arguments],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
                env={**os.environ, **(environment or {})},
            )  # fmt: skip
            try:
                child.wait(limit)
            except subprocess.TimeoutExpired:
                raise SynthError(f"{what} took longer than {limit:g} s and was stopped") from None
            finally:
                _stop(child)
        seconds = time.monotonic() - started
        if not scale.exists():
            raise SynthError(f"{what} could not be started: {last_words(words)}")
        code, cpu, peak = json.loads(scale.read_text(encoding="utf-8"))
        if code:
            killed = f" (signal {-code})" if code < 0 else ""
            raise SynthError(f"{what} failed{killed}: {last_words(words)}")
    return {"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), "peak_mib": round(peak / 1024)}


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End what is left of a process and of all it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def last_words(path: Path) -> str:
    """The last line that a command wrote to stderr, shortened."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1][-MAX_REASON:] if lines else "it said nothing"
