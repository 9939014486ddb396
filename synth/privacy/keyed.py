"""Noise that only the holder of a secret can repeat: a stream of bytes derived from the secret, the data and the settings.

HKDF-SHA256 (RFC 5869) turns the secret and two digests into the key of a SHAKE-256 stream, so that other rows, another
setting, version, program text or machine get noise that looks independent to whoever lacks the secret. On top of that
every draw of noise depends on the exact answer it is added to, on its scale, and on all answers before it, as the nonces of
RFC 6979 depend on the message: should a second run depart from the first by a last bit, they share no noise that cancels.

The secret is never written, and neither is a digest of the rows.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import platform
import stat
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from synth.errors import InputError
from synth.privacy.rows import StoredRows

SECRET_BYTES = 32
LABEL = b"synth noise stream 1"
PLAIN = (str, bytes, bool, int, float, Decimal, date, datetime, np.generic, pd.Timestamp, type(None))


class KeyedStream:
    """A secret stream of bytes; call it like ``os_entropy``."""

    __slots__ = ("__state",)

    def __init__(self, key: bytes) -> None:
        """Start the stream of a 256-bit key."""
        self.__state = key

    def __call__(self, n_bytes: int) -> bytes:
        """The next bytes. Secret."""
        drawn = hashlib.shake_256(b"draw" + self.__state).digest(n_bytes)
        self.__state = hashlib.sha256(b"next" + self.__state).digest()
        return drawn

    def absorb(self, exact_answer: bytes) -> None:
        """Make everything that follows depend on an exact answer as well."""
        self.__state = hmac.digest(self.__state, exact_answer, "sha256")

    def __repr__(self) -> str:
        return "<KeyedStream>"

    def __reduce_ex__(self, protocol: object) -> Any:
        raise TypeError("a secret stream cannot be pickled or copied")


def hkdf_sha256(secret: bytes, *, salt: bytes, info: bytes) -> bytes:
    """32 bytes of HKDF (RFC 5869): extract, and one block of expand."""
    return hmac.digest(hmac.digest(salt, secret, "sha256"), info + b"\x01", "sha256")


def keyed_stream(secret: bytes, rows: pd.DataFrame | StoredRows, settings: dict[str, Any]) -> KeyedStream:
    """The stream of one fit.

    Args:
        secret: 32 bytes from ``read_noise_key``.
        rows: Raw rows. Private.
        settings: Everything that steers the fit, plain types.

    Raises:
        InputError: The frame holds objects other than texts, numbers, dates and times.
    """
    told = json.dumps({**settings, "surroundings": surroundings()}, sort_keys=True).encode()
    digests = hashlib.sha256(told).digest() + _exact_digest(rows)
    return KeyedStream(hkdf_sha256(secret, salt=LABEL, info=LABEL + digests))


def seed_of(secret: bytes, settings: dict[str, Any]) -> int:
    """A seed for initial weights where the user gave none; not the noise's key, and no function of the rows."""
    told = json.dumps(settings, sort_keys=True).encode()
    return int.from_bytes(hkdf_sha256(secret, salt=b"synth seed 1", info=told)[:7], "big")


def surroundings() -> dict[str, Any]:
    """What may change the last bits of a fit: program text, versions, machine, threads."""
    import torch

    text = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        text.update(hashlib.sha256(path.read_bytes()).digest())
    modules = ("numpy", "scipy", "pandas", "torch", "mpmath", "dp-accounting", "opacus", "safetensors", "pyarrow")
    return {
        "program": text.hexdigest(),
        "versions": {name: _version(name) for name in modules},
        "python": platform.python_version(),
        "machine": [platform.system(), platform.machine(), _processor(), torch.backends.cpu.get_cpu_capability()],
        "threads": [torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")],
    }


def _version(name: str) -> str | None:
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith("model name")), platform.processor())


def _exact_digest(rows: pd.DataFrame | StoredRows) -> bytes:
    """SHA-256 of an encoding of the rows that no other rows have. Private."""
    whole = hashlib.sha256()
    for name, column in _columns(rows):
        for part in (name, str(column.dtype) if column.dtype != "category" else "category", str(len(column))):
            _feed(whole, part.encode())
        if isinstance(column.dtype, pd.CategoricalDtype):
            for text in _texts(column.cat.categories):
                _feed(whole, text)
            _feed(whole, np.ascontiguousarray(column.cat.codes.to_numpy(dtype=np.int64)).tobytes())
        else:
            for text in _texts(column.astype(object)):
                _feed(whole, text)
        _feed(whole, b"end of column")
    return whole.digest()


def _columns(rows: pd.DataFrame | StoredRows) -> Iterator[tuple[str, pd.Series]]:
    """Names and cells, a column (of a chunk) at a time."""
    if isinstance(rows, StoredRows):
        for name in rows.names:
            yield from ((name, part) for part in rows.cells(name))
    else:
        yield from ((str(name), column) for name, (_, column) in zip(rows.columns, rows.items(), strict=True))


def _feed(whole: Any, part: bytes) -> None:
    whole.update(len(part).to_bytes(8, "big") + part)


def _texts(cells: Any) -> Iterator[bytes]:
    for cell in cells:
        if not isinstance(cell, PLAIN) and cell is not pd.NA and cell is not pd.NaT:
            raise InputError("with a noise key a table holds texts, numbers, dates and times only; give the file instead")
        yield f"{type(cell).__name__} {cell!r}".encode("utf-8", "surrogatepass")


def write_noise_key(path: Path) -> None:
    """Make a new secret of 256 bits, in a file that only its owner may read.

    Raises:
        InputError: The file is there already, or cannot be made.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise InputError(f"{str(path)!r} already exists; a key is never overwritten, choose another name") from None
    except OSError as error:
        raise InputError(f"cannot make the noise key {str(path)!r}: {error.strerror}") from None
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(os.urandom(SECRET_BYTES).hex() + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_noise_key(path: Path) -> bytes:
    """The secret of a key file.

    Raises:
        InputError: No such file, others may read it, or it holds something else.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            facts = os.fstat(file.fileno())
            content = file.read(200) if stat.S_ISREG(facts.st_mode) else b""
    except OSError as error:
        raise InputError(f"cannot read the noise key {str(path)!r}: {error.strerror}") from None
    if facts.st_mode & 0o077 or facts.st_uid != os.geteuid():
        raise InputError(f"the noise key {str(path)!r} must be yours, and closed to everybody else: chmod 600 {path}")
    try:
        secret = bytes.fromhex(content.decode("ascii").strip())
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES or len(set(secret)) < SECRET_BYTES // 4:
        raise InputError(f"{str(path)!r} is no noise key of 256 random bits; make one with synth noise-key")
    return secret
