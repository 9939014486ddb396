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
