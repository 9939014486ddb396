from __future__ import annotations

import json
from typing import Any

from evaluation.sweep.page import summary, sweep_html

FACTS = {"name": "t<b>", "model": "hybrid", "delta": 1e-5, "rows": 100, "seeds": 1, "public": False, "baseline": "trees",
         "charged": "All runs: epsilon 3."}  # fmt: skip


def records() -> list[dict[str, Any]]:
    def scores(auc: float, advantage: float, bound: float | None) -> dict[str, Any]:
        ends = {"low": None, "high": None, "ceiling": 0.9, "floor": 0.5}
        found = {
            "tstr_auc": {"value": auc, **ends},
            "attack_advantage": {"value": advantage, **ends},
            "tv_2way": {"value": 0.1, **ends},
        }
        return found if bound is None else found | {"guarantee": {"value": bound}}

    made: list[dict[str, Any]] = [{"epsilon": None, "seed": 0, "scores": scores(0.89, 0.3, None)}]
    made += [
        {"epsilon": e, "seed": 0, "scores": scores(auc, 0.01, b)}
        for e, auc, b in ((0.1, 0.5, 0.05), (1.0, 0.87, 0.46), (10.0, 0.88, 0.99))
    ]
    return [*made, {"epsilon": 0.01, "seed": 0, "failed": "too few rows", "scores": {}}]


def test_the_page_draws_every_curve_with_the_guarantee_and_the_baseline() -> None:
    page = sweep_html(records(), FACTS)
    assert page.count('class="plot"') == 3
    assert "contains private information" in page
    assert "NOT PRIVATE" in page
    assert "guarantee" in page
    assert "The knee is at epsilon 1:" in page
    assert "too few rows" in page
    assert "t<b>" not in page
    assert "http://" not in page.split("<script>")[0]


def test_public_rows_make_a_page_without_the_warning() -> None:
    page = sweep_html(records(), {**FACTS, "public": True})
    assert "contains private information" not in page


def test_json_is_plain() -> None:
    whole = summary(records(), FACTS)
    text = json.dumps(whole, allow_nan=False)
    assert whole["knee"]["epsilon"] == 1.0
    assert whole["curves"]["tstr_auc"]["baseline"] == 0.89
    assert "do not publish" in text


def test_a_sweep_whose_fits_were_all_refused_says_so() -> None:
    only = [r for r in records() if "failed" in r]
    assert summary(only, FACTS)["knee"]["sentence"] == "No fit succeeded."
    assert "too few rows" in sweep_html(only, FACTS)
