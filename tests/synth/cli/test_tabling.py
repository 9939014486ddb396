"""``synth tables``: files named in the relations, one synthetic file each."""

import json

import pandas as pd

RELATIONS = """
[[tables]]
name = "people"
file = "people.csv"
key = "id"
columns = [{name = "id"}, {name = "sex", kind = "category", categories = ["f", "m"]}]

[[tables]]
name = "stays"
file = "stays.csv"
parent = "people"
parent_key = "who"
max_rows_per_parent = 2
columns = [{name = "who"}, {name = "ward", kind = "category", categories = ["x", "y"]}]
"""


def test_tables_are_fitted_and_sampled(call, tmp_path):
    (tmp_path / "r.toml").write_text(RELATIONS)
    people = "".join(f"p{i},{'fm'[i % 2]}\n" for i in range(500))
    (tmp_path / "people.csv").write_text("id,sex\n" + people)
    stays = "".join(f"p{i % 400},{'xy'[i % 2]}\n" for i in range(600))
    (tmp_path / "stays.csv").write_text("who,ward\n" + stays)
    made, folder = tmp_path / "a b.synth", tmp_path / "out"
    code, out, _ = call("tables", "fit", tmp_path / "r.toml", "-e", "3", "-m", "independent", "-o", made, "-q")
    assert (code, "for one row of people" in " ".join(out.split())) == (0, True)
    assert f"next: synth tables sample '{made}' -o synthetic" in out
    assert call("tables", "sample", made, "-o", folder, "-n", "50", "--seed", "1", "-q")[0] == 0
    drawn = {name: pd.read_csv(folder / f"{name}.csv") for name in ("people", "stays")}
    assert len(drawn["people"]) == 50
    code, _, err = call("inspect", made)
    assert (code, "synth tables sample" in err) == (2, True)
    assert drawn["stays"]["who"].isin(drawn["people"]["id"]).all()
    assert call("tables", "sample", made, "-o", folder, "-q")[0] == 2  # there are files already
    code, out, _ = call("tables", "sample", made, "-o", folder, "-n", "3", "-q", "-f", "--json")
    assert json.loads(out)["outputs"][str(folder / "people.csv")] == 3
    code, out, _ = call("tables", "fit", tmp_path / "r.toml", "-e", "3", "-m", "independent", "-o", made, "-q", "-f", "--json")
    assert json.loads(out)["epsilon"] == 3


def test_bad_places_and_names_end_with_a_sentence(call, tmp_path):
    (tmp_path / "r.toml").write_text(RELATIONS)
    code, _, err = call("tables", "fit", tmp_path / "r.toml", "-e", "3", "-o", tmp_path / "t.synth", "-q")
    assert (code, "people.csv" in err) == (2, True)
    code, _, err = call("tables", "sample", tmp_path / "r.toml", "-o", tmp_path / "x")
    assert (code, "no file of related tables" in err) == (2, True)
    assert not (tmp_path / "x").exists()
