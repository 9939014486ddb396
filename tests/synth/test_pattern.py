"""Patterns read backwards: every text matches, and unambiguous patterns never repeat one."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.errors import SchemaError
from synth.pattern import is_unambiguous, parse_pattern

ATOMS = st.sampled_from([r"\d", "a", "b", "[ab]", "[A-C-]", r"\.", "é", r"\\", r"\w"])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.tuples(inner, st.sampled_from(["?", "{2}", "{0,2}", "{1,3}"])).map(lambda p: f"(?:{p[0]}){p[1]}"),
    ),
    max_leaves=5,
)


@given(PATTERNS)
def test_texts_match_and_unambiguous_ones_do_not_repeat(pattern):
    parts = parse_pattern(pattern)
    some = np.array(range(min(parts.count, 300)), dtype=object)
    texts = [*parts.render(some), *parts.render(np.array([parts.count - 1], dtype=object))]
    assert all(re.fullmatch(pattern, text) for text in texts)
    assert all(len(text) <= parts.longest for text in texts)
    if is_unambiguous(parts):
        assert len(set(texts[:-1])) == len(some)


@pytest.mark.parametrize(
    ("pattern", "clear"),
    [
        (r"[A-Z]{2}\d{6}", True),
        (r"^(\+49|0)\d{2,4}-x$", True),
        ("a?a?", False),
        ("(a|a)", False),
        (r"\d{2,4}\d", False),
        ("(ab?){0,2}c", True),
        ("(a?){2,3}", False),
    ],
)
def test_ambiguous_patterns_are_seen(pattern, clear):
    assert is_unambiguous(parse_pattern(pattern)) is clear


def test_counts_may_be_huge():
    uuid = parse_pattern("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    assert uuid.count == 2**122
    assert uuid.render(np.array([2**122 - 1], dtype=object)).tolist() == ["ffffffff-ffff-4fff-bfff-ffffffffffff"]


@pytest.mark.parametrize(
    "pattern",
    ["", "a*", "a+", ".", "[^a]", "(a", "a)", "[]", "a{3", "a{4,2}", r"\q", "[z-a]", "a{999}", "((a{64}){64}){9}", "x" * 201],
)  # fmt: skip
def test_other_patterns_are_refused_in_a_sentence(pattern):
    with pytest.raises(SchemaError, match=r"column 'id'"):
        parse_pattern(pattern, "column 'id'")
