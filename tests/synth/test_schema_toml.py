"""``schema.toml``: round trip, comments, refusals."""

import pytest

from synth.errors import SchemaError
from synth.schema_toml import read_schema_toml, schema_to_toml


def test_round_trip_with_a_header(declared, tmp_path):
    path = tmp_path / "schema.toml"
    text = schema_to_toml(declared, header="first\n\nsecond")
    path.write_text(text, encoding="utf-8")
    assert text.startswith("# first\n#\n# second\n")
    assert read_schema_toml(path) == declared


def test_toml_dates_are_bounds(tmp_path):
    (tmp_path / "s.toml").write_text('[[columns]]\nname = "d"\nkind = "datetime"\nbounds = [1990-01-31, 2000-01-01]\n')
    assert read_schema_toml(tmp_path / "s.toml").columns[0].bounds == ("1990-01-31", "2000-01-01")


@pytest.mark.parametrize(
    ("content", "match"), [(b"\xff", "cannot read"), (b"columns = [", "not valid TOML"), (b"", "must be a list")]
)
def test_unusable_files_are_refused(content, match, tmp_path):
    (tmp_path / "s.toml").write_bytes(content)
    with pytest.raises(SchemaError, match=match):
        read_schema_toml(tmp_path / "s.toml")
    with pytest.raises(SchemaError, match="cannot read"):
        read_schema_toml(tmp_path)
