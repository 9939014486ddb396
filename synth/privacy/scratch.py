"""Disk space that nobody else can open and that no crash leaves behind: one file, unlinked as soon as it is open.

The file is made inside a folder of mode 0700 and both names are gone before the first byte is written, so the kernel gives
the space back when the process ends, however it ends. What is written is read back through a memory map.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path

from synth.errors import InputError
from synth.privacy.sealed import Sealed

PAGE = mmap.ALLOCATIONGRANULARITY


class Scratch(Sealed):
    """Bytes on disk without a name."""

    __slots__ = ("__handle", "__size")

    def __init__(self, folder: Path | None = None) -> None:
        """Open space in ``folder``; by default where ``TMPDIR`` says.

        Raises:
            InputError: Nothing can be written there.
        """
        try:
            private = tempfile.mkdtemp(prefix="synth-", dir=folder)  # of mode 0700
            place = os.path.join(private, "rows")
            try:
                self.__handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                os.unlink(place)
            finally:
                os.rmdir(private)
        except OSError as error:
            raise InputError(f"no temporary file can be made ({error.strerror}); set TMPDIR to a folder with space") from None
        self.__size = 0

    def __del__(self) -> None:
        """Give the space back."""
        handle = getattr(self, "_Scratch__handle", None)
        if handle is not None:
            os.close(handle)

    def append(self, data: bytes | memoryview) -> int:
        """Write at the end, from a page border on; returns where.

        Raises:
            InputError: The disk is full.
        """
        start = -(-self.__size // PAGE) * PAGE
        view, at = memoryview(data).cast("B"), start
        try:
            while len(view):
                done = os.pwrite(self.__handle, view[: 1 << 30], at)
                view, at = view[done:], at + done
        except OSError as error:
            raise InputError(f"the temporary file cannot grow ({error.strerror}); set TMPDIR to a folder with space") from None
        self.__size = at
        return start

    def reserve(self, size: int) -> int:
        """Room for ``size`` bytes from a page border on; returns where.

        Raises:
            InputError: The disk is full.
        """
        start = -(-self.__size // PAGE) * PAGE
        try:
            if size:
                os.posix_fallocate(self.__handle, start, size)
        except OSError as error:
            raise InputError(f"the temporary file cannot grow ({error.strerror}); set TMPDIR to a folder with space") from None
        self.__size = start + size
        return start

    def view(self, start: int, size: int) -> mmap.mmap | bytes:
        """Bytes from a page border on, mapped; pages leave memory with the map, or when it is told so (``madvise``)."""
        if not size:
            return b""
        return mmap.mmap(self.__handle, size, offset=start)
