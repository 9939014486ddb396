"""A file of JSON lines that only grows: each line carries the hash of the one before, and is on disk when writing returns.

An edited line, or one taken out, shows; lines missing at the end do not: keep the file. Writers take turns by a lock on it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO

from synth.errors import InputError

GENESIS = "0" * 64
MAX_BYTES = 256 << 20
RESUMED = "resumed"  # records that another process goes on with a run

Record = dict[str, Any]
Entry = tuple[str, dict[str, Any]]


def append(path: Path, run: str, entries: Sequence[Entry], *, holder: str = "") -> None:
    """Write records at the end of the chain and wait until they are on disk.

    Args:
        path: The file; made where it is missing.
        run: Whose records they are.
        entries: Kind and facts of each.
        holder: Under which name this process took the run over, if it did.

    Raises:
        InputError: The file cannot be written, its last line is damaged, or another process took the run over since.
    """
    _locked(path, run, lambda _: entries, checked=False, holder=holder)


def append_after(path: Path, run: str, decide: Callable[[list[Record]], Sequence[Entry]]) -> None:
    """The same for records that depend on the history: nobody else writes between reading and writing.

    Args:
        path: The file.
        run: Whose records they are.
        decide: Gets all records so far, returns what to add; where it raises, nothing is added.

    Raises:
        InputError: See ``append``; also where the history has been altered.
    """
    _locked(path, run, decide, checked=True)


def _locked(
    path: Path, run: str, decide: Callable[[list[Record]], Sequence[Entry]], *, checked: bool, holder: str = ""
) -> None:
    _check_place(path, "write")
    try:
        with path.open("a+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            content = _bounded(file, path)
            whole, broken = _whole_lines(content)
            if not checked:
                _check_holder(whole, run, holder)
            entries = decide(_verified(whole, path) if checked else [])
            end = whole[-1][1] if whole else 0
            if broken:  # a line cut off by a crash: its charge never took effect
                file.truncate(end)
            previous = str(_parse(whole[-1][0], len(whole), path)["hash"]) if whole else GENESIS
            added = b""
            for record, facts in entries:
                time = datetime.now(UTC).isoformat(timespec="seconds")
                line, previous = _seal({"record": record, "run": run, "time": time, "previous": previous, **facts})
                added += line
            try:
                while added:
                    added = added[file.write(added) :]
                os.fsync(file.fileno())
            except OSError:  # a full disk: half of a group of charges must not stay
                file.truncate(end)
                raise
        if not whole:
            _sync_folder(path.parent)
    except OSError as error:
        raise InputError(f"cannot write the ledger {str(path)!r}: {error.strerror}") from None


def read_ledger(path: Path) -> list[Record]:
    """All records of a ledger file, oldest first, after checking the chain.

    Args:
        path: The file; one that does not exist is an empty history.

    Raises:
        InputError: The file cannot be read, or a line was changed or taken out.
    """
    if not path.exists():
        return []
    _check_place(path, "read")
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            lines, _ = _whole_lines(_bounded(file, path))
    except OSError as error:
        raise InputError(f"cannot read the ledger {str(path)!r}: {error.strerror}") from None
    return _verified(lines, path)


def _check_place(path: Path, what: str) -> None:
    if path.exists() and not path.is_file():
        raise InputError(f"cannot {what} the ledger {str(path)!r}: it is not a plain file")


def _bounded(file: BinaryIO | FileIO, path: Path) -> bytes:
    if os.fstat(file.fileno()).st_size > MAX_BYTES:
        raise InputError(f"the ledger {str(path)!r} is larger than {MAX_BYTES >> 20} MiB, which none of ours is")
    return file.read()


def _check_holder(lines: list[tuple[bytes, int]], run: str, holder: str) -> None:
    """Refuse to write for a run that another process goes on with: each of its charges has one process that may draw."""
    marks = [f'"{key}": "{value}"'.encode() for key, value in (("record", RESUMED), ("run", run))]
    taken = [line for line, _ in lines if all(mark in line for mark in marks)]
    if taken and f'"holder": "{holder}"'.encode() not in taken[-1]:
        raise InputError("another process goes on with this run by --resume; this one stops here")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _seal(body: Record) -> tuple[bytes, str]:
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return json.dumps({**body, "hash": digest}, sort_keys=True).encode() + b"\n", digest


def _whole_lines(content: bytes) -> tuple[list[tuple[bytes, int]], bool]:
    """Lines with the offset after each, and whether an unfinished one follows."""
    lines, start = [], 0
    while (end := content.find(b"\n", start)) >= 0:
        lines.append((content[start:end], end + 1))
        start = end + 1
    return lines, start < len(content)


def _parse(line: bytes, number: int, path: Path) -> Record:
    try:
        record = json.loads(line)
        if isinstance(record["hash"], str) and isinstance(record["record"], str) and isinstance(record["run"], str):
            return dict(record)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise InputError(f"the ledger {str(path)!r} is damaged at line {number}; restore it from a backup") from None


def _verified(lines: list[tuple[bytes, int]], path: Path) -> list[Record]:
    records, previous = [], GENESIS
    for number, (line, _) in enumerate(lines, start=1):
        record = _parse(line, number, path)
        claimed = record.pop("hash")
        if record.get("previous") != previous or _seal(record)[1] != claimed:
            raise InputError(f"the ledger {str(path)!r} was altered at line {number}; restore it from a backup")
        previous = claimed
        records.append(record)
    return records
