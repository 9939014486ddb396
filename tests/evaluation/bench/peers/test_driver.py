import json

import numpy as np
import pandas as pd
import pytest

from evaluation.bench.peers.driver import facts, load, main, read, write

SCHEMA = {
    "target": "member",
    "missing": ["", "?"],
    "columns": [
        {"name": "age", "kind": "integer", "bounds": [0, 100], "nullable": False},
        {"name": "pay", "kind": "decimal", "bounds": [0, 1000], "precision": 2, "nullable": True},
        {"name": "day", "kind": "datetime", "bounds": ["2020-01-01", "2020-12-31"], "format": "%d/%m/%Y", "nullable": True},
        {"name": "town", "kind": "category", "categories": ["Aix", "Ulm"], "nullable": True},
        {"name": "member", "kind": "boolean", "nullable": False},
        {"name": "note", "kind": "category"},
    ],
}
ROWS = """age,pay,day,town,member,note
7,12.345,02/01/2020,Ulm,True,a
200,?,?,Bonn,false,b
?,-3,01/02/2035,?,?,?
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "train.csv").write_text(ROWS)
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    return tmp_path / "train.csv"


def test_facts_are_plain():
    age, _, day, town, member, note = (facts(c) for c in SCHEMA["columns"])
    assert (age["number"], age["whole"], age["low"], age["high"]) == (True, True, 0, 100)
    assert (day["low"], day["high"]) == (18262, 18627)
    assert (town["number"], town["categories"]) == (False, ["Aix", "Ulm"])
    assert member["categories"] == ["true", "false"]
    assert note["categories"] is None
    assert facts({"name": "x", "kind": "float"})["low"] is None


def test_rows_are_read_as_the_schema_says(path):
    frame = read(str(path), SCHEMA)
    assert frame["age"].tolist() == [7, 100, 0]
    assert frame["age"].dtype == np.int64
    assert frame["pay"].fillna(-1).tolist() == [12.345, -1, 0]
    assert frame["day"].fillna(-1).tolist() == [18263, -1, 18627]
    assert frame["town"].tolist() == ["Ulm", None, None]
    assert frame["member"].tolist() == ["true", "false", "true"]
    assert frame["note"].tolist() == ["a", "b", None]


def test_rows_are_written_like_the_file(path, tmp_path):
    frame = read(str(path), SCHEMA)
    frame["age"] = [6.7, 1e9, 3]
    write(frame, str(tmp_path / "out.csv"), SCHEMA)
    made = pd.read_csv(tmp_path / "out.csv", dtype=str, keep_default_na=False)
    assert made["age"].tolist() == ["7", "100", "3"]
    assert made["pay"].tolist() == ["12.34", "", "0.0"]
    assert made["day"].tolist() == ["02/01/2020", "", "31/12/2020"]
    assert made["town"].tolist() == ["Ulm", "", ""]
    assert list(made.columns) == [c["name"] for c in SCHEMA["columns"]]


def test_the_whole_way(path, tmp_path, monkeypatch):
    script = tmp_path / "peer.py"
    script.write_text("def generate(frame, columns, *, epsilon, delta, seed, rows, options, target):\n"
                      "    assert (epsilon, delta, seed, options, target) == (1.0, 1e-5, 3, {'a': 1}, 'member')\n"
                      "    return frame.head(rows)\n")  # fmt: skip
    monkeypatch.chdir(tmp_path)
    main([str(script), str(path), str(tmp_path / "schema.json"), "1.0", "1e-05", "3", "2", str(tmp_path / "o.csv"), '{"a": 1}'])
    assert len(pd.read_csv(tmp_path / "o.csv")) == 2


def test_no_script(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(str(tmp_path / "none.py"))
    with pytest.raises(ImportError):
        load(str(tmp_path / "none"))
