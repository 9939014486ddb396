"""The checkpoint of a run: noisy answers it has drawn, weights it has trained. No row, no secret, no state of a generator.

One file that only its owner may read, replaced in one step: a digest, then safetensors with a JSON head. Everything in it is
public once the run is released. How far the run has come is not this file's word but the ledger's.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from synth.errors import InputError, SynthError
from synth.privacy.events import Event, event_from_dict, event_to_dict

MAGIC = b"synth checkpoint 1\n"
MAX_BYTES = 8 << 30

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was asked of the rows, and the noisy answer.

    Attributes:
        start: Events that the run had charged before.
        events: Charged for it.
        about: The question, as far as the events do not say it.
        arrays: The answer; none where events only were charged.
    """

    start: int
    events: tuple[Event, ...]
    about: str
    arrays: tuple[Array, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A run so far.

    Attributes:
        run: Its name in the ledger.
        settings: Everything that steers it, plain types. Public.
        seed: For initial weights. Public; never of noise.
        answers: In the order they were drawn.
        state: What training has changed so far (weights, momentum), if it has begun.
    """

    run: str
    settings: dict[str, Any]
    seed: int
    answers: tuple[Answer, ...] = ()
    state: tuple[Array, ...] = ()


def write_checkpoint(path: Path, checkpoint: Checkpoint, *, new: bool = False) -> None:
    """Put a checkpoint in place, in one step: the old one or the new one is there, never half of one.

    Args:
        path: The file; mode 0600.
        checkpoint: What to keep.
        new: Whether a file that is there already is left alone, and refused.

    Raises:
        InputError: It cannot be written, or is there already.
    """
    try:
        _put(path, packed(checkpoint), new=new)
    except FileExistsError:
        raise InputError(
            f"{str(path)!r} is left from a run that was interrupted, or belongs to one that is still going on: go on with it "
            "by --resume, which spends nothing twice, or delete it to start anew"
        ) from None
    except OSError as error:
        raise InputError(f"cannot write the checkpoint {str(path)!r}: {error.strerror}") from None


def packed(checkpoint: Checkpoint) -> bytes:
    """The content of a checkpoint file."""
    tensors = {f"answer {i} {k}": a for i, answer in enumerate(checkpoint.answers) for k, a in enumerate(answer.arrays)}
    tensors |= {f"state {i}": a for i, a in enumerate(checkpoint.state)}
    head = {
        "run": checkpoint.run, "settings": checkpoint.settings, "seed": checkpoint.seed, "state": len(checkpoint.state),
        "answers": [
            {"start": a.start, "events": [event_to_dict(e) for e in a.events], "about": a.about, "arrays": len(a.arrays)}
            for a in checkpoint.answers
        ],
    }  # fmt: skip
    body = safetensors.numpy.save(
        {name: np.array(values, order="C") for name, values in tensors.items()}, {"head": json.dumps(head, sort_keys=True)}
    )
    return MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _put(path: Path, content: bytes, *, new: bool) -> None:
    if new:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        Path(name).unlink(missing_ok=True)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; nothing in it is executed.

    Raises:
        InputError: There is none, others may write it, or it is damaged.
    """
    if not path.is_file():
        raise InputError(f"there is no checkpoint {str(path)!r} to go on from; run the command without --resume")
    try:
        facts = path.stat()
        content = path.read_bytes() if facts.st_size <= MAX_BYTES else b""
    except OSError as error:
        raise InputError(f"cannot read the checkpoint {str(path)!r}: {error.strerror}") from None
    if facts.st_mode & 0o077 or facts.st_uid != os.geteuid():
        raise InputError(f"the checkpoint {str(path)!r} must be yours, and closed to everybody else: chmod 600 {path}")
    try:
        return unpacked(content)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, SynthError, safetensors.SafetensorError):
        raise InputError(
            f"the checkpoint {str(path)!r} is damaged or of another version: the run cannot go on, and what it charged stays "
            "charged; delete the file to start anew"
        ) from None


def unpacked(content: bytes) -> Checkpoint:
    """The inverse of ``packed``; raises what Python raises where the content is something else."""
    digest, body = content[len(MAGIC) : len(MAGIC) + 65], content[len(MAGIC) + 65 :]
    if not content.startswith(MAGIC) or digest != hashlib.sha256(body).hexdigest().encode() + b"\n":
        raise ValueError("digest")
    return _parsed(body)


def _parsed(body: bytes) -> Checkpoint:
    length = int.from_bytes(body[:8], "little")
    head = json.loads(json.loads(body[8 : 8 + length])["__metadata__"]["head"])
    tensors = safetensors.numpy.load(body)
    answers = tuple(
        Answer(
            start=int(a["start"]), events=tuple(event_from_dict(e) for e in a["events"]), about=str(a["about"]),
            arrays=tuple(tensors[f"answer {i} {k}"] for k in range(a["arrays"])),
        )
        for i, a in enumerate(head["answers"])
    )  # fmt: skip
    state = tuple(tensors[f"state {i}"] for i in range(head["state"]))
    return Checkpoint(run=head["run"], settings=dict(head["settings"]), seed=int(head["seed"]), answers=answers, state=state)


def texts_to_array(texts: Sequence[str]) -> Array:
    """Texts as bytes, for an answer that holds some."""
    return np.frombuffer(json.dumps(list(texts)).encode(), dtype=np.uint8)


def array_to_texts(array: Array) -> list[str]:
    """The inverse of ``texts_to_array``."""
    return [str(text) for text in json.loads(array.tobytes())]
