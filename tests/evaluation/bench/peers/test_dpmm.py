import sys
from types import SimpleNamespace

import pandas as pd
import pytest

from evaluation.bench.peers.dpmm import domain, generate

NUMBER = {"name": "age", "number": True, "low": 0, "high": 100, "categories": None}
TEXT = {"name": "town", "number": False, "low": None, "high": None, "categories": ["Aix", "Ulm"]}


def test_the_domain_is_the_public_schema():
    free = {**NUMBER, "name": "free", "low": None}
    assert domain([NUMBER, free, TEXT, {**TEXT, "name": "note", "categories": None}]) == {
        "age": {"lower": 0, "upper": 100}, "free": {}, "town": {"categories": ["Aix", "Ulm"]},
    }  # fmt: skip


@pytest.mark.parametrize(("columns", "n_budgets"), [([NUMBER, TEXT], 2), ([TEXT], 1)])
def test_the_budget_is_the_whole_budget(monkeypatch, columns, n_budgets):
    seen = {}

    class Pipeline:
        def __init__(self, **said):
            seen.update(said)

        def fit(self, frame, domain, random_state):
            seen["seed"] = random_state

        def generate(self, n_records, random_state):
            return pd.DataFrame({"town": ["Aix"] * n_records})

    monkeypatch.setitem(sys.modules, "dpmm", SimpleNamespace(pipelines=SimpleNamespace(AIMPipeline=Pipeline)))
    made = generate(
        pd.DataFrame({"town": ["Aix"]}), columns, epsilon=2.0, delta=1e-6, seed=4, rows=5,
        options={"method": "aim", "compress": False}, target=None,
    )  # fmt: skip
    assert len(made) == 5
    assert seen["epsilon"] + seen.get("proc_epsilon", 0) == pytest.approx(2.0)
    assert len({"epsilon", "proc_epsilon"} & set(seen)) == n_budgets
    assert (seen["delta"], seen["seed"], seen["compress"], seen["n_jobs"]) == (1e-6, 4, False, 1)
