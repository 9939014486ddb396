import json

from synth.api import read_schema


def test_draft_then_check(call, place, tmp_path):
    code, out, err = call("schema", "draft", place / "t.csv", "-o", tmp_path / "d.toml")
    assert code == 0
    assert "PUBLIC" in err
    assert "read it, then: synth fit" in out
    assert read_schema(tmp_path / "d.toml").names[:2] == ("age", "pay")
    code, out, err = call("schema", "check", place / "t.csv", "-s", tmp_path / "d.toml", "--json")
    assert code == 0
    assert err == ""
    assert [f["column"] for f in json.loads(out)] == list(read_schema(tmp_path / "d.toml").names)
    assert all(f["missing"] == 0 for f in json.loads(out))


def test_a_draft_says_how_to_go_on_and_what_to_decide(call, tmp_path):
    rows = "".join(f"P{i // 2};{i % 3};\n" for i in range(120))
    (tmp_path / "a b.csv").write_text("key;group;nothing\n" + rows, encoding="latin-1")
    code, out, err = call(
        "schema", "draft", tmp_path / "a b.csv", "--delimiter", ";", "--encoding", "latin-1", "-o", tmp_path / "d.toml"
    )
    assert code == 0
    assert "note: key: no value is shared by 20 rows" in err
    assert "note: nothing: always missing; drop it" in err
    command = out.split("then: ")[1]
    assert f"'{tmp_path / 'a b.csv'}'" in command
    assert command.strip().endswith("--delimiter ';' --encoding latin-1 --epsilon 1")


def test_check_points_at_columns(call, place, tmp_path):
    text = (place / "s.toml").read_text().replace("120", "40").replace('"Aix"', '"Rom"')
    (tmp_path / "s.toml").write_text(text)
    code, out, err = call("schema", "check", place / "t.csv", "-s", tmp_path / "s.toml")
    assert code == 0
    assert "age" in out
    assert "town" in out
    assert "Aix" not in out + err
    assert "clipped, nulled or set to 'other'" in out


def test_cards(call):
    code, out, _ = call("datasets", "list", "--json")
    assert code == 0
    for found in json.loads(out):
        code, out, _ = call("datasets", "show", found["name"])
        assert code == 0
        assert found["title"] in out


def test_sdv_metadata_out_and_in(call, tmp_path):
    import json

    (tmp_path / "s.toml").write_text(
        '[[columns]]\nname = "a"\nkind = "integer"\nbounds = [0, 9]\n'
        '[[columns]]\nname = "b"\nkind = "integer"\nbounds = [0, 9]\n'
        '[[constraints]]\nkind = "inequality"\nlow = "a"\nhigh = "b"\n'
    )
    made, rules = tmp_path / "m.json", tmp_path / "c.json"
    assert call("schema", "export", tmp_path / "s.toml", "-o", made, "--constraints", rules)[0] == 0
    assert json.loads(made.read_text())["METADATA_SPEC_VERSION"] == "V1"
    assert call("schema", "export", tmp_path / "s.toml", "-o", made, "--single")[0] == 2
    assert call("schema", "export", tmp_path / "s.toml", "-o", made, "--single", "--force")[0] == 0
    assert json.loads(made.read_text())["METADATA_SPEC_VERSION"] == "SINGLE_TABLE_V1"
    assert call("schema", "import", made, "--constraints", rules, "-o", tmp_path / "t.toml")[0] == 0
    from synth.schema_toml import read_schema_toml

    again = read_schema_toml(tmp_path / "t.toml")
    assert again.constraints == read_schema_toml(tmp_path / "s.toml").constraints
    assert again["a"].bounds == (0, 9)
    (tmp_path / "bad.json").write_text("{")
    code, _, err = call("schema", "import", made, "--constraints", tmp_path / "bad.json", "-o", tmp_path / "u.toml")
    assert (code, "cannot read constraints" in err) == (2, True)
    assert not (tmp_path / "u.toml").exists()


def test_a_check_counts_rows_that_break_constraints(call, tmp_path):
    (tmp_path / "s.toml").write_text(
        '[[columns]]\nname = "a"\nkind = "integer"\nbounds = [0, 9]\n'
        '[[columns]]\nname = "b"\nkind = "integer"\nbounds = [0, 9]\n'
        '[[constraints]]\nkind = "inequality"\nlow = "a"\nhigh = "b"\n'
    )
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,2\n4,4\n5,7\n")
    code, out, _ = call("schema", "check", tmp_path / "t.csv", "-s", tmp_path / "s.toml")
    assert (code, "a <= b: 25 % of the rows break it" in out) == (0, True)
    code, out, _ = call("schema", "check", tmp_path / "t.csv", "-s", tmp_path / "s.toml", "--json")
    assert '"broken": 0.25' in out


def test_bad_constraints_in_a_file_are_a_sentence(call, tmp_path):
    head = '[[columns]]\nname = "a"\nkind = "integer"\nbounds = [0, 9]\n'
    for rule, message in [
        ('kind = "inequality"\nlow = "a"\nhigh = "z"', "does not have"),
        ('kind = "nope"', "must be one of"),
        ('kind = "sum"\ntotal = "a"', "'parts' is missing"),
    ]:
        (tmp_path / "s.toml").write_text(f"{head}[[constraints]]\n{rule}\n")
        code, _, err = call("plan", tmp_path / "s.toml", "-n", 1000, "-e", 1)
        assert (code, message in err) == (2, True), err
