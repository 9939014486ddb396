"""Other generators, each in an environment of its own: built once from the package registry, run by a small script.

``peers/driver.py`` is executed by the peer's own interpreter, isolated from this package. It reads the same rows and the same
public schema as a synthesizer of this package, and hands them with the same budget to ``generate`` of the peer's file.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from evaluation.bench.process import last_words, weighed
from synth.errors import InputError, SynthError
from synth.schema import Schema, schema_to_dict

CACHE = "SYNTH_BENCH_CACHE"
FOLDER = Path(__file__).parent / "peers"
READY = "ready"
TORCH = "torch==2.13.0"  # other versions pull gigabytes of drivers


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A generator of another library.

    Attributes:
        script: File with its ``generate``.
        library: Name and version of the environment.
        requirements: What pip installs, one call after the other.
        options: Handed to ``generate``.
    """

    script: Path
    library: str
    requirements: tuple[tuple[str, ...], ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


def _known() -> dict[str, Peer]:
    def peer(script: str, library: str, *steps: tuple[str, ...], options: dict[str, Any]) -> Peer:
        return Peer(script=FOLDER / f"{script}.py", library=library, requirements=steps, options=options)

    needed = ("smartnoise-synth==1.0.8", "mbi==1.1.0", "packaging")
    smartnoise = ("smartnoise", "smartnoise-synth-1.0.8", (TORCH,), (TORCH, *needed))
    mwem = {"method": "mwem", "split_factor": 3}  # its documentation's example; a histogram of all columns fits no memory
    dpmm = ("dpmm", "dpmm-0.1.9", ("dpmm==0.1.9",))
    return {
        **{f"dpmm-{m}": peer(*dpmm, options={"method": m}) for m in ("aim", "mst", "privbayes")},
        **{f"smartnoise-{m}": peer(*smartnoise, options={"method": m}) for m in ("aim", "mst", "patectgan")},
        "smartnoise-mwem": peer(*smartnoise, options=mwem),
        "mostlyai-argn": peer("mostlyai", "mostlyai-engine-2.7.3", (TORCH,), (TORCH, "mostlyai-engine==2.7.3"), options={}),
    }


PEERS: MappingProxyType[str, Peer] = MappingProxyType(_known())


def cache_folder(said: Path | None = None) -> Path:
    """Where environments are kept: as said, else ``SYNTH_BENCH_CACHE``, else the user's cache."""
    return said or Path(os.environ.get(CACHE) or Path.home() / ".cache" / "synth-bench")


def interpreter(peer: Peer, cache: Path, say: Callable[[str], None]) -> Path:
    """The Python of a peer's environment, which is built where it is missing.

    Args:
        peer: What to install.
        cache: Folder of environments.
        say: Told before minutes of building.

    Raises:
        SynthError: pip could not install the peer; the text says why.
    """
    folder = cache / f"{peer.library}-py{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / "bin" / "python"
    if (folder / READY).exists():
        return python
    if peer.requirements:
        say(f"building the environment of {peer.library} in {folder}")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"cannot write the cache folder {str(cache)!r}: {type(error).__name__}") from None
    words, pip = folder / "words", [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    for step in ([sys.executable, "-m", "venv", str(folder)], *([*pip, *names] for names in peer.requirements)):
        with words.open("wb") as errors:
            code = subprocess.run(step, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, check=False).returncode
        if code:
            raise SynthError(f"cannot install {peer.library} on Python {sys.version_info.major}.{sys.version_info.minor}: "
                             f"{last_words(words)}")  # fmt: skip
    (folder / READY).touch()
    return python


def run_peer(
    peer: Peer,
    options: dict[str, Any],
    train: pd.DataFrame,
    schema: Schema,
    place: Path,
    *,
    epsilon: float,
    delta: float,
    seed: int,
    python: Path,
    limit: float | None = None,
) -> dict[str, float]:
    """Fit a peer and draw as many rows as it was given into ``place / "synthetic.csv"``.

    Args:
        peer: What to run.
        options: Laid over the peer's own.
        train: Rows to fit.
        schema: Public facts.
        place: A folder for files.
        epsilon: Whole budget.
        delta: Whole delta.
        seed: For libraries that take one.
        python: Interpreter of its environment.
        limit: Seconds after which it is stopped.

    Returns:
        Seconds, CPU seconds and peak memory of fit and sampling together, start-up included.

    Raises:
        SynthError: It failed; the text ends with its own last words.
    """
    train.to_csv(place / "train.csv", index=False)
    facts = schema_to_dict(schema)
    (place / "schema.json").write_text(json.dumps(facts), encoding="utf-8")
    budget = [repr(epsilon), repr(delta), str(seed), str(len(train))]
    files = [str(place / name) for name in ("train.csv", "schema.json", "synthetic.csv")]
    command = [str(python), "-I", str(FOLDER / "driver.py"), str(peer.script), *files[:2], *budget, files[2]]
    said = json.dumps({**peer.options, **options})
    return weighed([*command, said], peer.library, limit=limit, environment={"TQDM_DISABLE": "1"})
