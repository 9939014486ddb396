import sys
from types import SimpleNamespace

import pandas as pd
import pytest

from evaluation.bench.peers.smartnoise import generate, is_ordinal, transformers

AGE = {"name": "age", "number": True, "whole": True, "low": 0, "high": 100, "nullable": False, "categories": None}
PAY = {**AGE, "name": "pay", "high": 10**6}
TOWN = {"name": "town", "number": False, "whole": False, "low": None, "high": None, "nullable": True, "categories": ["Ulm"]}


@pytest.fixture
def library(monkeypatch):
    """A pretended snsynth: transformers are their names and options."""
    seen = {}

    def named(name):
        return lambda *said, **options: (name, *said, options)

    names = ("MinMaxTransformer", "BinTransformer", "LabelTransformer", "ChainTransformer", "OneHotEncoder", "TableTransformer")
    transform = SimpleNamespace(**{name: named(name) for name in names})

    class Synthesizer:
        def __init__(self, method, options):
            seen.update(method=method, options=options)

        @classmethod
        def create(cls, method, **options):
            return cls(method, options)

        def fit(self, frame, **options):
            seen.update(options)

        def sample(self, rows):
            return [(1, 2, "Ulm")] * rows

    monkeypatch.setitem(sys.modules, "snsynth", SimpleNamespace(transform=transform, Synthesizer=Synthesizer))
    monkeypatch.setitem(sys.modules, "snsynth.transform", transform)
    return seen


def test_short_ranges_are_categories():
    assert is_ordinal(AGE)
    assert not is_ordinal(PAY)
    assert not is_ordinal({**AGE, "whole": False})
    assert not is_ordinal({**AGE, "low": None})


def test_transformers_know_the_public_bounds(library):
    age, pay, town = transformers([AGE, PAY, TOWN], gan=False, bins=10)
    assert age == ("LabelTransformer", {"nullable": False})
    assert pay == ("BinTransformer", {"bins": 10, "lower": 0, "upper": 10**6, "nullable": False})
    assert town == ("LabelTransformer", {"nullable": True})
    age, pay, town = transformers([AGE, PAY, TOWN], gan=True, bins=10)
    assert pay == ("MinMaxTransformer", {"lower": 0, "upper": 10**6, "nullable": False})
    assert [part[0] for part in town[1]] == ["LabelTransformer", "OneHotEncoder"]


@pytest.mark.parametrize(("method", "delta"), [("aim", 1e-6), ("mwem", None), ("patectgan", 1e-6)])
def test_the_budget_is_handed_over(library, method, delta):
    columns = [AGE, PAY, TOWN]
    rules = {"delta": 1e-6, "seed": 1, "rows": 4, "target": None}
    made = generate(pd.DataFrame(), columns, epsilon=2.0, options={"method": method, "bins": 20, "x": 1}, **rules)
    assert made.shape == (4, 3)
    assert library["method"] == method
    assert library["options"].get("delta") == delta
    assert (library["options"]["epsilon"], library["options"]["x"], library["preprocessor_eps"]) == (2.0, 1, 0.0)
    generate(pd.DataFrame(), [AGE, {**PAY, "low": None}, TOWN], epsilon=2.0, options={"method": method}, **rules)
    assert library["preprocessor_eps"] == 0.2
