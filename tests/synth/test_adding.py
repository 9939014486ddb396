"""What a coordinator answers: a function of what the sites sent."""

import json

import numpy as np
import pytest

from synth.adding import answers
from synth.privacy.sites import DEPART, FINE, GONE, OTHER, SAME, WRONG, gone


def message(kind, content=b"", about="", number=1):
    return json.dumps({"kind": kind, "number": number, "about": about}).encode() + b"\n" + content


def numbers(*values):
    return np.array(values, dtype="<i8").tobytes()


def test_sums_go_to_all():
    told, kind, _ = answers([message("sum", numbers(1, -2)), message("sum", numbers(3, 2**40))], 1)
    assert told == [FINE + numbers(4, 2**40 - 2)] * 2
    assert kind == "sum"


def test_each_site_is_told_its_place():
    told, _, _ = answers([message("join", b'{"schema": "s"}')] * 3, 5)
    assert [json.loads(one[1:]) for one in told] == [{"rank": r, "size": 3, "seed": 5} for r in range(3)]


def test_sites_that_were_started_otherwise_hear_in_what():
    told, kind, _ = answers(
        [message("join", b'{"schema": "s", "model": "m"}'), message("join", b'{"schema": "t", "model": "m"}')], 5
    )
    assert kind == "gone"
    assert told == [WRONG + b"the sites were started with different facts (schema); give all of them the same"] * 2
    _, kind, _ = answers([message("join", b'{"schema": "s"}'), message("join", b'{"schema": "s", "model": "m"}')], 5)
    assert kind == "gone"


def test_names_of_all_sites_with_their_sums():
    told, _, _ = answers([message("name", b'[["b", 3], ["a", 2]]'), message("name", b'[["a", 5], ["b", 1], ["c", 9]]')], 1)
    assert told == [FINE + b'[["a", 7], ["b", 4]]'] * 2


def test_commitments_are_shown_to_all():
    assert answers([message("commit", b"x"), message("commit", b"y")], 1)[0] == [FINE + b'["x", "y"]'] * 2


@pytest.mark.parametrize(("other", "same"), [(b"x", SAME), (b"y", OTHER)])
def test_the_end(other, same):
    told, kind, first = answers([message("done", b"x\nfile\n"), message("done", other + b"\n")], 1)
    assert told == [FINE + same] * 2
    assert (kind, first) == ("done", b"x\nfile\n")


@pytest.mark.parametrize(
    "messages",
    [
        [message("sum", numbers(1)), message("sum", numbers(1), about="other")],
        [message("sum", numbers(1)), message("sum", numbers(1), number=2)],
        [message("sum", numbers(1)), message("sum", numbers(1, 2, 3)[:-1])],
        [message("sum", numbers(1, 2)), message("sum", numbers(1, 2, 3))],
        [message("dance")] * 2,
        [message("name", b"{")] * 2,
        [message("join", b"7")] * 2,
        [b"", b""],
        [b"[]\n", b"7\n"],
        [message("sum", numbers(1)), b"\xff\xfe\n"],
    ],
)
def test_what_makes_no_sense_ends_the_run(messages):
    told, kind, _ = answers(messages, 1)
    assert (told, kind) == ([WRONG + DEPART.encode()] * 2, "gone")


def test_somebody_is_gone():
    assert answers([message("sum", numbers(1)), gone()], 1)[0] == [WRONG + GONE.encode()] * 2
    assert answers([message("agree", b"x", "it"), message("agree", b"y", "it")], 1)[1] == "gone"
