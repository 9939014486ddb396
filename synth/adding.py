"""What whoever coordinates several sites answers to them: sums of what they sent. It sees noisy answers only, and no row.

A function of the messages of one round alone, so that whoever watches can repeat it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from synth.privacy.sites import DEPART, FINE, GONE, OTHER, SAME, WRONG


def answers(messages: Sequence[bytes], seed: int) -> tuple[list[bytes], str, bytes]:
    """What whoever adds up answers to one message of every site; a function of these messages alone.

    Args:
        messages: In the order of the sites.
        seed: For initial weights. Public.

    Returns:
        An answer for each site; what they were about (``gone`` where the run is over); and the content of the first.
    """
    heads, contents = zip(*(_split(message) for message in messages), strict=True)
    if any(head.get("kind") == "gone" for head in heads):
        return _refusal(GONE, len(messages)), "gone", b""
    if any(head != heads[0] for head in heads):
        return _refusal(DEPART, len(messages)), "gone", b""
    kind = str(heads[0].get("kind"))
    try:
        told = _JOINED[kind](contents) if kind in _JOINED else _met(kind, str(heads[0].get("about")), contents, seed)
    except (LookupError, TypeError, ValueError):
        return _refusal(DEPART, len(messages)), "gone", b""
    if isinstance(told, str):
        return _refusal(told, len(messages)), "gone", b""
    return [FINE + (told[rank] if isinstance(told, list) else told) for rank in range(len(messages))], kind, contents[0]


def _met(kind: str, about: str, contents: Sequence[bytes], seed: int) -> list[bytes] | str:
    """Where sites say who they are, agree or are done. A text is what they differ in."""
    if kind == "join":
        facts = [json.loads(content) for content in contents]
        other = [name for name in facts[0] if any(fact.get(name) != facts[0][name] for fact in facts)]
        if other or any(len(fact) != len(facts[0]) for fact in facts):
            return f"the sites were started with different facts ({', '.join(other)}); give all of them the same"
        return [json.dumps({"rank": r, "size": len(facts), "seed": seed}).encode() for r in range(len(facts))]
    if kind == "agree" and len(set(contents)) > 1:
        return f"the sites differ in {about}; give all of them the same"
    if kind == "done":
        prints = {content.partition(b"\n")[0] for content in contents}
        return [SAME if len(prints) == 1 else OTHER] * len(contents)
    if kind != "agree":
        raise ValueError(kind)
    return [b""] * len(contents)


def _summed(contents: Sequence[bytes]) -> bytes:
    parts = [np.frombuffer(content, dtype="<i8") for content in contents]
    return bytes(np.asarray(sum(parts[1:], parts[0]), dtype="<i8").tobytes())


def _listed(contents: Sequence[bytes]) -> bytes:
    return json.dumps([content.decode() for content in contents]).encode()


def _common(contents: Sequence[bytes]) -> bytes:
    named = [dict(json.loads(content)) for content in contents]
    kept = sorted(value for value in named[0] if all(value in one for one in named))
    return json.dumps([[value, sum(one[value] for one in named)] for value in kept]).encode()


_JOINED: dict[str, Callable[[Sequence[bytes]], bytes]] = {
    "sum": _summed, "commit": _listed, "open": _listed, "name": _common,
}  # fmt: skip


def _refusal(text: str, size: int) -> list[bytes]:
    return [WRONG + text.encode()] * size


def _split(message: bytes) -> tuple[dict[str, Any], bytes]:
    head, _, content = message.partition(b"\n")
    try:
        facts = json.loads(head)
    except ValueError:
        facts = None
    return (facts, content) if isinstance(facts, dict) else ({}, content)
