"""Outputs that are whole or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from synth.errors import InputError


class atomic_path:
    """Write beside ``target`` and move into place at the end; on any error nothing is left behind.

    Without ``force`` a file that another process put there meanwhile is left alone, and refused.
    """

    def __init__(self, target: Path, *, force: bool) -> None:
        """See ``Release.save`` for the errors."""
        check_writable(target, force=force)
        self._target, self._force = target, force

    def __enter__(self) -> Path:
        handle, name = tempfile.mkstemp(prefix=f".{self._target.name}.", suffix=self._target.suffix, dir=self._target.parent)
        os.close(handle)
        self._temporary = Path(name)
        return self._temporary

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                with self._temporary.open("rb") as file:
                    os.fsync(file.fileno())
                mask = os.umask(0)
                os.umask(mask)
                self._temporary.chmod(0o666 & ~mask)
                self._move()
        finally:
            self._temporary.unlink(missing_ok=True)

    def _move(self) -> None:
        if not self._force:
            try:
                self._target.hardlink_to(self._temporary)  # fails where there is a file, in one step
                return
            except OSError:  # it is there, or the file system knows no links: then look once more
                check_writable(self._target, force=False)
        self._temporary.replace(self._target)


def check_writable(target: Path, *, force: bool) -> None:
    """Refuse early an output that cannot be written.

    Raises:
        InputError: Missing or read-only folder, a directory in the way, or a file in the way without ``force``.
    """
    if target.is_dir():
        raise InputError(f"{str(target)!r} is a directory; name a file")
    if not target.parent.is_dir():
        raise InputError(f"there is no folder {str(target.parent)!r}; make it first")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"the folder {str(target.parent)!r} cannot be written to")
    if target.exists() and not force:
        raise InputError(f"{str(target)!r} already exists; choose another name or pass --force")
