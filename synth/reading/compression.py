"""Compressed files by their suffix, to read and to write."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from synth.errors import InputError

SUFFIXES = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd"}
FAULTS = (OSError, EOFError, lzma.LZMAError, pa.ArrowException)  # of a damaged file


def split_suffixes(name: str) -> tuple[str, str]:
    """Suffix of the format and of the compression, in lower case, each with its dot or empty."""
    path = Path(name.lower())
    if path.suffix in SUFFIXES:
        return Path(path.stem).suffix, path.suffix
    return path.suffix, ""


def open_compressed(path: Path) -> IO[bytes]:
    """A file to read as plain bytes, whatever its compression.

    Raises:
        InputError: It cannot be opened.
    """
    try:
        return _reader(path)
    except (*FAULTS, ValueError) as error:
        raise InputError(f"cannot read {path.name}: {type(error).__name__}") from None


def _reader(path: Path) -> IO[bytes]:
    packed = SUFFIXES.get(path.suffix.lower())
    if packed == "gzip":
        return gzip.GzipFile(path, "rb")  # type: ignore[return-value]
    if packed == "bz2":
        return bz2.open(path, "rb")
    if packed == "xz":
        return lzma.open(path, "rb")
    if packed == "zstd":
        stream: IO[bytes] = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
        return stream
    return path.open("rb")


def create_compressed(path: Path, suffix: str) -> Any:
    """A file to write plain bytes to, compressed as ``suffix`` says."""
    packed = SUFFIXES.get(suffix)
    if packed == "gzip":
        return gzip.GzipFile(path, "wb", mtime=0)
    if packed == "bz2":
        return bz2.open(path, "wb")
    if packed == "xz":
        return lzma.open(path, "wb")
    if packed == "zstd":
        return pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), "zstd")
    return path.open("wb")
