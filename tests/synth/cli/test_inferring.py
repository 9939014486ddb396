import json

import pytest


def test_estimates_are_shown_with_their_limits(call, model):
    code, out, err = call("infer", model, "--mean", "age", "--proportion", "town=Ulm", "--refits", 10, "-q")
    assert code == 0, err
    shown = "".join(out.split())
    assert "meanofage" in shown
    assert "shareof" in shown
    assert "not relations that the model left out" in " ".join(out.split())


def test_json_holds_every_figure(call, model):
    code, out, err = call("infer", model, "--mean", "age", "--refits", 10, "--json")
    assert code == 0, err
    (one,) = json.loads(out)["estimates"]
    assert one["low"] < one["value"] < one["high"]
    assert one["refits"] == 10


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ((), 2, "ask for something"),
        (("--proportion", "town"), 2, "takes COLUMN=VALUE"),
        (("--proportion", "town=x"), 2, "no value 'x'"),
        (("--mean", "town"), 2, "has no mean"),
        (("--mean", "nothing"), 2, "no column 'nothing'"),
        (("--regress", "town"), 2, "is no formula"),
        (("--regress", "town ~ age"), 3, "knows no relation"),
        (("--mean", "age", "--refits", "3"), 2, "at least 10"),
        (("--mean", "age", "--confidence", "2"), 2, "confidence"),
    ],
)
def test_bad_input_is_one_sentence(call, model, options, code, words):
    got, out, err = call("infer", model, *options, "-q")
    assert (got, out) == (code, "")
    assert words in err
    assert err.count("\n") == 1
