import dataclasses
import html
import re

import pytest

from synth.api import fit
from synth.card import card_html, sections, spending
from synth.privacy.events import GRADIENT
from synth.receipt import LIMITS, ROW_LIMIT
from synth.schema import Column, Kind, Schema


@pytest.fixture(scope="module")
def release(frame):
    return fit(frame[["age", "town", "pay"]], epsilon=3.0, model="independent", seed=0)


def test_the_promise_comes_first_and_the_limits_last(release):
    found = sections(release.receipt, release.schema)
    assert list(found) == ["Promise", "Other readings, for the mechanisms that ran", "What was done", "Limits"]
    promise = dict(found["Promise"])
    assert promise["epsilon"] == "3"
    assert promise["delta"] == f"{release.receipt.delta:g}"
    assert "add or remove one row" in promise["protects"]
    assert [text for _, text in found["Limits"]] == [ROW_LIMIT, *LIMITS]


def test_what_was_learnt_is_told(release):
    done = dict(sections(release.receipt, release.schema)["What was done"])
    assert "age (" in done["learnt with budget"]
    assert "noisy count" in done["rows"]
    assert done["columns"] == "3"
    assert "target" not in done
    aimed = sections(release.receipt, dataclasses.replace(release.schema, target="town"))
    assert dict(aimed["What was done"])["target"] == "town"


def test_groups_are_weaker_than_one(release):
    r = release.receipt
    assert r.epsilon_spent < r.group_epsilon["2"] < r.group_epsilon["5"]
    other = dict(sections(r, release.schema)["Other readings, for the mechanisms that ran"])
    assert other["epsilon for somebody with 2 rows"] == f"{r.group_epsilon['2']:.3g}"


def test_spending_adds_up(release):
    rows = spending(release.receipt)
    assert sum(row["times"] for row in rows) == len(release.receipt.events)
    assert sum(row["share"] for row in rows) == pytest.approx(1.0)
    assert {"row count", "one-way table"} <= {row["what"] for row in rows}


def test_no_finite_figure_is_said_in_words(release):
    import dataclasses

    receipt = dataclasses.replace(release.receipt, replace_one_epsilon=None)
    text = dict(sections(receipt, release.schema)["Other readings, for the mechanisms that ran"])
    assert "no finite figure" in text["epsilon if neighbours replace one row"]


def test_the_page_stands_alone_and_escapes(frame):
    nasty = "<script>alert('x')</script>"
    table = frame[["town"]].rename(columns={"town": nasty})
    schema = Schema(
        columns=(Column(name=nasty, kind=Kind.CATEGORY, categories=("Aix", "Ulm"), description="a & <b>"),),
        name="<i>t</i>",
        public_rows=400,
    )
    release = fit(table, epsilon=1.0, schema=schema, model="independent")
    page = card_html(release.receipt, release.schema)
    assert nasty not in page
    assert html.escape(nasty, quote=False)[:14] in page
    assert not re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=", page)
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "declared public" in page


def test_choices_are_gathered_with_their_epsilon(release):
    choice = {"type": "selection", "what": "choice of a table", "target": [], "epsilon": 0.125}
    receipt = dataclasses.replace(release.receipt, events=[*release.receipt.events, choice, choice])
    found = spending(receipt)[-1]
    assert (found["what"], found["mechanism"], found["times"]) == ("choice of a table", "exponential mechanism", 2)
    assert (found["noise"], found["share"]) == ("epsilon 0.125 each", 0.0)


def test_laplace_noise_is_told(frame):
    found = fit(frame[["town"]], epsilon=3.0, model="independent", seed=0, options={"mechanism": "laplace"})
    (row,) = [row for row in spending(found.receipt) if row["what"] == "table with Laplace noise"]
    assert row["mechanism"] == "Laplace noise on whole numbers"
    assert row["noise"].startswith("scale ")
    assert "Laplace noise" in card_html(found.receipt, found.schema)


def test_weights_are_no_rows(release):
    event = {"type": "gaussian", "what": "weights of a convex model", "target": ["y"], "sigma": 0.25, "l2_sensitivity": 0.1}
    (row,) = spending(dataclasses.replace(release.receipt, events=[event]))
    assert row["mechanism"] == "Gaussian on trained weights"
    assert row["noise"] == "standard deviation 0.25 of each weight"


def test_a_gradient_over_all_rows_is_no_count(release):
    event = {"type": "gaussian", "what": GRADIENT, "target": [], "sigma": 12.5, "l2_sensitivity": 0.5}
    (row,) = spending(dataclasses.replace(release.receipt, events=[event, event]))
    assert row["mechanism"] == "Gaussian on a sum of clipped gradients"
    assert row["noise"] == "standard deviation 12.5, sensitivity 0.5"
    assert row["times"] == 2


def test_options_and_notes_are_told(release):
    found = sections(release.receipt, release.schema, (), {"mechanism": "laplace"}, ["mind the gap"])
    assert dict(found["What was done"])["options"] == "mechanism = laplace"
    assert found["Notes"] == [("1", "mind the gap")]
    assert "options" not in dict(sections(release.receipt, release.schema, (), release.options)["What was done"])
    assert "mind the gap" in card_html(release.receipt, release.schema, (), release.options, ["mind the gap"])


def test_names_of_columns_are_told_plainly(release):
    receipt = dataclasses.replace(release.receipt, model="marginal")
    found = sections(receipt, release.schema, (), {"protect_groups": ("age", "town")})
    assert dict(found["What was done"])["options"] == "protect_groups = age, town"


def test_answers_for_one_purpose_are_one_line_from_the_least_noise_to_the_most(release):
    event = {"type": "gaussian", "what": "table", "target": ["y"], "l2_sensitivity": 1.0, "share_of_counts": 0.25}
    receipt = dataclasses.replace(release.receipt, events=[event | {"sigma": sigma} for sigma in (3.0, 2.0, 4.0)])
    (row,) = spending(receipt)
    assert (row["noise"], row["times"], row["share"]) == ("standard deviation 2 to 4 rows", 3, 0.75)
