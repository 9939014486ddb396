r"""A small, finite part of regular expressions, read backwards: from a number to a text that matches.

Known: characters, ``\d``, ``\w``, an escaped character, classes such as ``[A-F0-9-]``, groups with ``|``, and the
repetitions ``{3}``, ``{2,4}`` and ``?``. Everything unbounded (``*``, ``+``, ``.``) or negated is refused.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
import numpy.typing as npt

from synth.errors import SchemaError

TextArray = npt.NDArray[np.object_]

MAX_REPEATS, MAX_LENGTH, MAX_TEXT = 64, 200, 1000
DIGITS, WORD = string.digits, string.digits + string.ascii_uppercase + "_" + string.ascii_lowercase
SPECIAL = frozenset("*+.^$[]{}()|?")


@dataclass(frozen=True)
class Choice:
    """One of several parts: characters (as single texts) or sequences."""

    options: tuple[str | Parts, ...]

    @cached_property
    def count(self) -> int:
        """How many texts it stands for."""
        return sum(1 if isinstance(o, str) else o.count for o in self.options)

    @cached_property
    def longest(self) -> int:
        """Characters of its longest text."""
        return max(1 if isinstance(o, str) else o.longest for o in self.options)

    def render(self, index: npt.NDArray[np.object_]) -> TextArray:
        """Texts of numbers below ``count``, shape (n,)."""
        if all(isinstance(o, str) for o in self.options):
            return np.array(self.options, dtype=object)[index.astype(np.int64)]
        out, start = np.empty(len(index), dtype=object), 0
        for option in self.options:
            size = 1 if isinstance(option, str) else option.count
            here = (index >= start) & (index < start + size)
            out[here] = option if isinstance(option, str) else option.render(index[here] - start)
            start += size
        return out


@dataclass(frozen=True)
class Parts:
    """Parts one after the other."""

    parts: tuple[Choice, ...]

    @cached_property
    def count(self) -> int:
        """How many texts it stands for."""
        return prod(part.count for part in self.parts)

    @cached_property
    def longest(self) -> int:
        """Characters of its longest text."""
        return sum(part.longest for part in self.parts)

    def render(self, index: npt.NDArray[np.object_]) -> TextArray:
        """Texts of numbers below ``count``, the last part changing fastest, shape (n,)."""
        out: TextArray = np.full(len(index), "", dtype=object)
        for part in reversed(self.parts):
            out = part.render(index % part.count) + out
            index = index // part.count
        return out


def parse_pattern(pattern: str, where: str = "pattern") -> Parts:
    """Read a pattern.

    Raises:
        SchemaError: Unbounded, negated, or no pattern at all.
    """
    if not 0 < len(pattern) <= MAX_LENGTH:
        raise SchemaError(f"{where}: a pattern has 1 to {MAX_LENGTH} characters, such as [A-Z]{{2}}\\d{{6}}")
    reader = _Reader(pattern.removeprefix("^").removesuffix("$"), where)
    found = reader.sequence()
    if reader.at < len(reader.text):
        raise reader.error("a bracket is closed that was not opened")
    if found.longest > MAX_TEXT:
        raise SchemaError(f"{where}: the pattern stands for texts of more than {MAX_TEXT} characters")
    return found


class _Reader:
    def __init__(self, text: str, where: str) -> None:
        self.text, self.where, self.at = text, where, 0

    def error(self, what: str) -> SchemaError:
        return SchemaError(
            f"{self.where}: {what} (character {self.at + 1}); known are characters, \\d, \\w, [A-Z0-9], (a|b), {{3}}, {{2,4}} "
            "and ?; escape others with a backslash"
        )

    def peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def take(self) -> str:
        self.at += 1
        return self.text[self.at - 1]

    def sequence(self) -> Parts:
        parts: list[Choice] = []
        while self.peek() not in ("", "|", ")"):
            parts.extend(self.repeated(self.item()))
        return Parts(tuple(parts))

    def item(self) -> Choice:
        if self.peek() == "(":
            return self.group()
        if self.peek() == "[":
            return Choice(tuple(self.members()))
        char = self.peek()
        if char != "\\" and char in SPECIAL:
            raise self.error(f"{char!r} is not supported here")
        return Choice(tuple(self.escaped()) if char == "\\" else (self.take(),))

    def group(self) -> Choice:
        self.take()
        if self.text.startswith("?:", self.at):
            self.at += 2
        options = [self.sequence()]
        while self.peek() == "|":
            self.take()
            options.append(self.sequence())
        if self.peek() != ")":
            raise self.error("a group is not closed")
        self.take()
        return Choice(tuple(options))

    def escaped(self) -> str:
        self.take()
        char = self.take() if self.peek() else ""
        if not char or (char.isalnum() and char not in "dw"):
            raise self.error("an escape is not supported")
        return DIGITS if char == "d" else WORD if char == "w" else char

    def members(self) -> list[str]:
        self.take()
        found: list[str] = []
        if self.peek() == "^":
            raise self.error("a negated class is not supported")
        while self.peek() != "]":
            if not self.peek():
                raise self.error("a class is not closed")
            chars = self.escaped() if self.peek() == "\\" else self.take()
            if len(chars) == 1 and self.peek() == "-" and self.text[self.at + 1 : self.at + 2] not in ("", "]"):
                self.take()
                last = self.escaped() if self.peek() == "\\" else self.take()
                if len(last) != 1 or last < chars:
                    raise self.error("a range of a class runs backwards")
                chars = "".join(map(chr, range(ord(chars), ord(last) + 1)))
            found.extend(chars)
        self.take()
        if not found:
            raise self.error("a class is empty")
        return list(dict.fromkeys(found))

    def repeated(self, part: Choice) -> list[Choice]:
        least, most = 1, 1
        if self.peek() == "?":
            self.take()
            least = 0
        elif self.peek() == "{":
            end = self.text.find("}", self.at)
            numbers = self.text[self.at + 1 : end].split(",") if end > 0 else []
            if len(numbers) not in (1, 2) or not all(n.isascii() and n.isdigit() and len(n) < 4 for n in numbers):
                raise self.error("a repetition is {3} or {2,4}")
            least, most = int(numbers[0]), int(numbers[-1])
            self.at = end + 1
        if not least <= most <= MAX_REPEATS:
            raise self.error(f"a repetition goes from fewer to more, at most {MAX_REPEATS} times")
        if least == most:
            return [part] * most
        return [Choice(tuple(Parts((part,) * k) for k in range(least, most + 1)))]


def is_unambiguous(pattern: Parts) -> bool:
    """Whether different numbers surely give different texts: alternatives are told apart by what comes next.

    Sufficient, not necessary: options of a choice have no first character in common, also with what follows where one may
    be empty. Repetitions of different lengths count as unambiguous where what follows cannot begin like the repeated part.
    """
    return _clear(pattern, frozenset())


def _first(node: Parts | Choice | str) -> tuple[frozenset[str], bool]:
    """Characters it may begin with, and whether it may be empty."""
    if isinstance(node, str):
        return frozenset(node), False
    if isinstance(node, Choice):
        found = [_first(option) for option in node.options]
        return frozenset().union(*(chars for chars, _ in found)), any(empty for _, empty in found)
    chars: frozenset[str] = frozenset()
    for part in node.parts:
        more, empty = _first(part)
        chars |= more
        if not empty:
            return chars, False
    return chars, True


def _clear(node: Parts, after: frozenset[str]) -> bool:
    for i, part in enumerate(node.parts):
        chars, empty = _first(Parts(node.parts[i + 1 :]))
        if not _clear_choice(part, chars | after if empty else chars):
            return False
    return True


def _clear_choice(choice: Choice, after: frozenset[str]) -> bool:
    inner = [option for option in choice.options if not isinstance(option, str)]
    if not inner:
        return True
    lengths = _repetition(inner)
    if lengths:  # the longest run decides: it must be clear in itself and end where it cannot go on
        chars, empty = _first(lengths[0])
        return not empty and not chars & after and _clear_choice(lengths[0], chars | after)
    seen: frozenset[str] = frozenset()
    for option in inner:
        chars, empty = _first(option)
        chars = chars | after if empty else chars
        if chars & seen or not _clear(option, after):
            return False
        seen |= chars
    return True


def _repetition(options: list[Parts]) -> Sequence[Choice]:
    """The repeated part, where the options are one part taken k, k + 1, ... times; otherwise nothing."""
    part = options[-1].parts[:1]
    same = all(set(o.parts) <= set(part) for o in options)
    rising = [len(o.parts) for o in options]
    return part if len(options) > 1 and same and rising == list(range(rising[0], rising[0] + len(rising))) else ()
