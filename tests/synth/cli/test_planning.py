import json


def test_a_plan_needs_no_table(call, place):
    code, out, _ = call("plan", place / "s.toml", "-n", 5000, "-e", 1)
    assert code == 0
    assert "What is paid for" in out
    code, out, _ = call("plan", place / "s.toml", "-e", "1", "-m", "independent", "--json")
    facts = json.loads(out)
    assert (code, facts["model"], facts["rows"]) == (0, "independent", 400)
    assert {c["name"] for c in facts["columns"]}
    asked = ("plan", place / "s.toml", "-n", 5000, "-e", 1, "-m", "marginal", "--max-columns", 3)
    code, out, err = call(*asked, "--purpose", "member", "--protect-groups", "size")
    assert code == 0, err
    assert "choice of columns" in out
    assert "tables of protected groups" in out
    code, _, err = call("plan", place / "nope.toml", "-e", "1")
    assert (code, "cannot read the schema" in err) == (2, True)
    code, _, err = call("plan", place / "s.toml", "-e", "1", "-m", "aim")
    assert (code, "plans are made for" in err) == (2, True)
