"""What keeps rows from being looked at by accident."""

from __future__ import annotations

from typing import NoReturn


class Sealed:
    """No way to look at, measure, copy or store the rows by accident."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: private rows>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("private rows cannot be pickled or copied")

    def __getstate__(self) -> NoReturn:
        raise TypeError("private rows cannot be pickled or copied")

    def __len__(self) -> NoReturn:
        raise TypeError("the number of private rows is not public; use the paid row count")

    def __iter__(self) -> NoReturn:
        raise TypeError("private rows cannot be iterated")

    def __bool__(self) -> bool:
        return True
