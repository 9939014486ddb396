from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from plotly.graph_objects import Figure

from evaluation import Report, evaluate
from evaluation.report import WARNING
from synth.errors import InputError
from synth.schema import Column, Kind, Schema

NASTY = '<script>alert("x")</script>'


def without_scripts(html: str) -> str:
    return re.sub(r"<script\b[^>]*>.*?</script>", "", html, flags=re.DOTALL)


@pytest.fixture(scope="module")
def nasty() -> Report:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({NASTY: rng.normal(size=200), "": 1.0, "<b>c</b>": rng.choice(["<i>u</i>", "", "</script>"], 200)})
    frame = frame.rename(columns={"": "</script><img src=x>"})
    kinds = (Kind.FLOAT, Kind.FLOAT, Kind.CATEGORY)
    schema = Schema(
        columns=tuple(Column(name=n, kind=k) for n, k in zip(frame, kinds, strict=True)),
        name=NASTY,
        target="<b>c</b>",
        missing=(),
    )
    card = {"model": NASTY, "epsilon": 1.0, "delta": 1e-5, "": {"nested": [1, NASTY]}, "none": None}
    return evaluate(frame.iloc[:100], frame.iloc[100:], frame.sample(frac=1, random_state=1), schema, card=card)


def test_html_is_self_contained(fresh_report: Report) -> None:
    html = fresh_report.to_html()
    page = without_scripts(html)
    assert not re.search(r"""(?:src|href|action|srcset)\s*=\s*["']?(?!#|["']#)""", page.replace('href="#', "#"))
    assert "@import" not in page
    assert "url(" not in page
    assert not re.search(r"<script[^>]+src", html.split("<main>")[0] + page)
    assert html.count("plotly.js v") == 1
    assert "default-src 'none'" in page


def test_html_warns_loudly_and_is_semantic(fresh_report: Report) -> None:
    page = without_scripts(fresh_report.to_html())
    assert f"{WARNING}</title>" in page
    assert page.count(WARNING) == 2
    assert "do not publish" in re.search(r"<title>(.*?)</title>", page).group(1)
    assert '<html lang="en">' in page
    assert all(f"<h{level}" in page for level in (1, 2, 3))
    assert '<th scope="col"' in page
    assert '<th scope="row"' in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    assert not re.search(r"\bnan\b", page.lower())
    for target in re.findall(r'href="#([a-z]+)"', page):
        assert f'id="{target}"' in page
    for label in re.findall(r'aria-labelledby="([a-z]+)"', page):
        assert f'id="{label}"' in page
    for score in fresh_report.scores:
        assert score.label in page


def test_html_holds_every_figure(fresh_report: Report) -> None:
    html = fresh_report.to_html()
    found = re.search(r'<script type="application/json" id="figure-data">(.*?)</script>', html, flags=re.DOTALL)
    assert found is not None
    drawn = json.loads(found.group(1))
    figures = {"Marginals", "Pairs", "Correlation", "Mutual information", "Workload", "Utility", "Feature importance"}
    assert figures | {"Membership attack"} <= set(fresh_report._figures())
    assert len(drawn) == len(fresh_report._figures()) >= 7 + 8
    for key in drawn:
        assert f'id="{key}" role="img" aria-label="' in html


def test_names_values_and_card_are_escaped(nasty: Report) -> None:
    html = nasty.to_html()
    page = without_scripts(html)
    assert "<script" not in page
    assert "<img" not in page
    assert "<b>" not in page
    assert "<i>" not in page
    assert NASTY not in html
    for name in ("Marginals", "Pairs", "Utility", "Membership attack", f"Column: {NASTY}", "Column: <b>c</b>"):
        text = nasty.get_visualization(name).to_json().encode().decode("unicode_escape")
        assert "<script>" not in text
        assert "<b>" not in text
        assert "<i>" not in text


def test_json_is_plain(nasty: Report, copy_report: Report) -> None:
    for report in (nasty, copy_report):
        plain = report.to_json()
        assert json.loads(json.dumps(plain, allow_nan=False)) == plain
        assert plain["warning"] == WARNING
    assert {s["name"] for s in copy_report.to_json()["scores"]} == {s.name for s in copy_report.scores}


def test_getters_follow_sdmetrics(copy_report: Report) -> None:
    assert copy_report.get_score() == pytest.approx(1.0)
    properties = copy_report.get_properties()
    assert list(properties.columns) == ["Property", "Score"]
    for name in ("Column Shapes", "Column Pair Trends", "Marginals", "Membership attack"):
        assert len(copy_report.get_details(name))
        assert isinstance(copy_report.get_visualization(name), Figure)
    with pytest.raises(InputError, match="no details named"):
        copy_report.get_details("nothing")
    with pytest.raises(InputError, match="no figure named"):
        copy_report.get_visualization("nothing")


def test_first_screen_answers_the_three_questions(fresh_report: Report) -> None:
    page = without_scripts(fresh_report.to_html())
    first = page[page.index("<main>") : page.index('<section aria-labelledby="fidelity">')]
    for question in ("Is it like the real data?", "Is it useful?", "What can an attacker learn?"):
        assert question in first
    assert first.count("floor 0.") == 3 or first.count("<span>floor") == 3
    assert len(fresh_report.to_json()["answers"]) == 3


def test_figures_have_their_numbers_as_tables(fresh_report: Report) -> None:
    page = without_scripts(fresh_report.to_html())
    figures = page.count('class="plot"')
    assert page.count("<summary>The numbers") == figures > 10
    assert page.count("<table class=") > figures


def test_unregistered_tables_are_shown(fresh_report: Report) -> None:
    rows = pd.DataFrame({"<b>Kind</b>": [f"row {i}" for i in range(60)], "Share": 0.123456})
    report = replace(fresh_report, tables={**fresh_report.tables, "Planted part": rows})
    page = without_scripts(report.to_html())
    assert "<h3>Planted part</h3>" in page
    assert "&lt;b&gt;Kind" in page
    assert "row 39" in page
    assert "row 40" not in page
    assert "40 of 60 rows" in page
