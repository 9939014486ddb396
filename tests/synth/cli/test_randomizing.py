"""``synth randomize`` through the command line."""

import json

import pytest

from synth.local import load_local

SCHEMA = """
[[columns]]
name = "who"
kind = "identifier"
[[columns]]
name = "town"
kind = "category"
categories = ["Ulm", "Aix"]
[[columns]]
name = "age"
kind = "integer"
bounds = [0, 90]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "t.csv").write_text("who,town,age\n" + "k,Ulm,40\nl,Aix,\n" * 20)
    (tmp_path / "s.toml").write_text(SCHEMA)
    return tmp_path


def test_rows_record_and_ledger_are_written_and_the_total_is_charged(call, folder):
    ledger = folder / "l"
    assert call("budget", "set", ledger, "--epsilon", 5, "--delta", "1e-5")[0] == 0
    ask = ("randomize", folder / "t.csv", "-s", folder / "s.toml", "-e", 4, "--delta", 0, "--ledger", ledger)
    code, out, _ = call(*ask, "-o", folder / "o.csv", "--weight", "town=3", "--bins", 4)
    assert code == 0
    assert "the number of rows, and their order" in out
    assert "left out: who" in out
    found = load_local(folder / "o.csv")
    assert [c["epsilon"] for c in found.record["columns"]] == pytest.approx([3, 1])
    assert found.shares("town", "age").shares.shape == (3, 5)
    code, _, err = call(*ask, "-o", folder / "p.csv")
    assert code == 3
    assert "does not fit the total" in err
    assert not (folder / "p.csv").exists()
    code, out, _ = call("budget", "show", ledger, "--json")
    assert json.loads(out)["spent_epsilon"] == pytest.approx(4, abs=0.01)


def test_machines_are_told_in_json_and_people_are_warned(call, folder):
    many = ", ".join(f'"{i}"' for i in range(40))
    (folder / "s.toml").write_text(SCHEMA.replace('"Ulm", "Aix"', '"Ulm", "Aix", ' + many))
    ask = ("randomize", folder / "t.csv", "-s", folder / "s.toml", "-e", 2, "-o", folder / "o.csv")
    code, out, err = call(*ask, "--json", "--quiet")
    assert code == 0
    assert json.loads(out)["record"] == str(folder / "o.csv.local.json")
    assert "'town' has 43 values" in json.loads(out)["warnings"][0]
    assert "warning: column 'town'" in err
    assert (folder / "o.csv.ledger.jsonl").exists()
    code, _, err = call(*ask)
    assert code == 2
    assert "already exists" in err
    assert call(*ask, "--force", "--quiet")[0] == 0
    code, _, err = call(*ask, "--force")
    assert (code, "already records 2 run(s)" in " ".join(err.split())) == (0, True)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (("-e", 1, "--delta", "1e-6"), "leave --delta out"),
        (("-e", 0), "epsilon must be"),
        (("-e", 1, "--weight", "town"), "--weight takes key=value"),
        (("-e", 1, "--weight", "town=two"), "a column and a number"),
        (("-e", 1, "--weight", "who=2"), "'who'"),
        (("-e", 1, "--bins", 1), "--bins"),
    ],
)
def test_bad_input_is_one_sentence(call, folder, options, match):
    code, out, err = call("randomize", folder / "t.csv", "-s", folder / "s.toml", "-o", folder / "o.csv", *options)
    assert code == 2
    assert match in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert out == ""
    assert sorted(p.name for p in folder.iterdir()) == ["s.toml", "t.csv"]
