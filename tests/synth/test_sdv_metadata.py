"""SDV metadata in and out."""

import json

import pytest

from synth.errors import SchemaError
from synth.schema import Column, Kind, Schema
from synth.sdv_metadata import read_sdv_metadata, schema_from_sdv, schema_to_sdv


def test_kinds_survive_a_round_trip(declared):
    again = schema_from_sdv(schema_to_sdv(declared))
    wanted = [Kind.FLOAT if c.kind is Kind.DECIMAL else c.kind for c in declared.columns]
    assert [c.kind for c in again.columns] == wanted
    assert again["size"].categories == ("S", "M", "L")
    assert schema_to_sdv(Schema(columns=(Column(name="a", kind=Kind.DATETIME, format="%Y"), Column(name="b"))))["tables"][
        "table"
    ]["columns"] == {
        "a": {"sdtype": "datetime", "datetime_format": "%Y"},
        "b": {"sdtype": "categorical"},
    }


def v1(columns, **more):
    return {"METADATA_SPEC_VERSION": "V1", "tables": {"t": {"columns": columns}, **more}}


def test_single_table_files_are_read(tmp_path):
    (tmp_path / "m.json").write_text(
        json.dumps({"METADATA_SPEC_VERSION": "SINGLE_TABLE_V1", "columns": {"a": {"sdtype": "numerical"}}})
    )
    assert read_sdv_metadata(tmp_path / "m.json").columns[0].kind is Kind.FLOAT


def test_one_of_several_tables_must_be_named():
    several = v1({"a": {"sdtype": "boolean"}}, u={"columns": {}})
    assert schema_from_sdv(several, table="t").name == "t"
    with pytest.raises(SchemaError, match="describes 2 tables"):
        schema_from_sdv(several)
    with pytest.raises(SchemaError, match="no table 'x'"):
        schema_from_sdv(several, table="x")


@pytest.mark.parametrize(
    ("metadata", "match"),
    [
        ({}, "METADATA_SPEC_VERSION is None"),
        ({"METADATA_SPEC_VERSION": "V1", "tables": []}, "METADATA_SPEC_VERSION"),
        ({"METADATA_SPEC_VERSION": "V2"}, "'V2'"),
        (v1([]), "has no columns"),
        (v1({"a": 1}), "has no columns"),
        (v1({"a": {"sdtype": "unknown"}}), "'unknown' is not read"),
        (v1({"a": {"sdtype": "categorical", "order": []}}), "must not be empty"),
        ([1], "top level"),
    ],
)
def test_other_metadata_are_refused(metadata, match, tmp_path):
    (tmp_path / "m.json").write_text(json.dumps(metadata))
    with pytest.raises(SchemaError, match=match):
        read_sdv_metadata(tmp_path / "m.json")


def test_files_that_are_no_json_are_refused(tmp_path):
    (tmp_path / "m.json").write_text("{")
    for path in (tmp_path / "m.json", tmp_path, tmp_path / "none"):
        with pytest.raises(SchemaError, match="cannot read"):
            read_sdv_metadata(path)


def test_keys_and_personal_data_are_read_and_written():
    columns = {
        "key": {"sdtype": "id", "regex_format": "P[0-9]{4}"},
        "mail": {"sdtype": "email", "pii": True},
        "at": {"sdtype": "datetime", "datetime_format": "%Y-%m-%d"},
    }
    single = {"METADATA_SPEC_VERSION": "SINGLE_TABLE_V1", "columns": columns, "primary_key": "key"}
    schema = schema_from_sdv(single)
    assert [c.kind for c in schema.columns] == [Kind.IDENTIFIER, Kind.PII, Kind.DATETIME]
    assert schema["key"].pattern == "P[0-9]{4}"
    assert schema_to_sdv(schema, single=True) == single
    assert schema_to_sdv(schema)["tables"]["table"] == {"columns": columns, "primary_key": "key"}
    odd = (
        Column(name="p", kind=Kind.PII, faker="color_name"),
        Column(name="t", kind=Kind.TIME),
        Column(name="d", kind=Kind.DURATION),
    )
    found = schema_to_sdv(Schema(columns=odd), single=True)["columns"]
    assert [found[n]["sdtype"] for n in "ptd"] == ["unknown", "datetime", "numerical"]
