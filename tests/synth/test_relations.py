"""Relations between tables as public facts."""

import json
from dataclasses import replace

import pytest

from synth.errors import SchemaError
from synth.relations import Related, Relations, read_relations, relations_from_dict, relations_from_sdv, relations_to_dict
from synth.schema import Column, Kind, Schema
from synth.sdv_metadata import schema_to_sdv

PARENT = Related(
    name="people", key="id",
    schema=Schema(
        columns=(Column(name="id"), Column(name="sex", kind=Kind.BOOLEAN)), target="sex", public_rows=9, name="people",
    ),
)  # fmt: skip
CHILD = Related(
    name="stays", key="no", parent_key="who", cap=4,
    schema=Schema(columns=(Column(name="no"), Column(name="who"), Column(name="ward")), name="stays"),
)  # fmt: skip
RELATIONS = Relations(parent=PARENT, children=(CHILD, replace(CHILD, name="calls", schema=replace(CHILD.schema, name="calls"))))


def test_what_is_learnt_of_a_child_is_one_wide_table_without_keys():
    wide = RELATIONS.wide_schema(CHILD)
    assert wide.names == ("rows of stays", "people.sex", "stays.ward")
    assert wide.columns[0].categories == ("0", "1", "2", "3", "4")
    assert (wide.target, wide.public_rows) == ("people.sex", 9)
    wide = RELATIONS.wide_schema(replace(CHILD, schema=replace(CHILD.schema, target="ward")))
    assert wide.target == "stays.ward"


def test_plain_types_round_trip():
    assert relations_from_dict(json.loads(json.dumps(relations_to_dict(RELATIONS)))) == RELATIONS


def test_files_and_schemas_lie_beside_the_relations(tmp_path):
    (tmp_path / "people.toml").write_text("[[columns]]\nname = 'id'\n[[columns]]\nname = 'age'\n")
    (tmp_path / "r.toml").write_text(
        "[[tables]]\nname = 'people'\nkey = 'id'\nschema = 'people.toml'\nfile = 'p.csv'\n"
        "[[tables]]\nname = 'stays'\nparent = 'people'\nparent_key = 'who'\ncolumns = [{name = 'who'}, {name = 'ward'}]\n"
    )
    found = read_relations(tmp_path / "r.toml")
    assert (found.parent.file, found.parent.schema.names) == ("p.csv", ("id", "age"))
    assert found.children[0].cap == 10


COLUMNS = [{"name": "id"}, {"name": "x"}]
P = {"name": "p", "key": "id", "columns": COLUMNS}
C = {"name": "c", "parent": "p", "parent_key": "id", "columns": COLUMNS}


@pytest.mark.parametrize(
    ("tables", "match"),
    [
        ([], "one table as their parent"),
        (3, "a list of"),
        ([P], "one table as their parent"),
        ([P, {**C, "parent": "q"}], "no table 'q'"),
        ([P, C, {"name": "d", "columns": COLUMNS}], "'d' names no parent"),
        ([P, C, {**C, "name": "d", "parent": "c"}], "one level"),
        ([{**P, "key": "none"}, C], "its key 'none'"),
        ([{"name": "p", "columns": COLUMNS}, C], "needs a key"),
        ([P, {**C, "parent_key": None}], "both parent and parent_key"),
        ([P, {**C, "max_rows_per_parent": 0}], "from 1 to 100"),
        ([P, {**C, "max_rows_per_parent": "x"}], "whole number"),
        ([P, {**C, "public_rows": 5}], "goes with the parent"),
        ([P, {**C, "key": "id"}], "two columns"),
        ([P, {**C, "missing": ["?"]}], "same texts under missing"),
        ([P, {**C, "name": "p"}], "one name"),
        ([P, {**C, "odd": 1}], "unknown key 'odd'"),
        ([P, {**C, "name": 3}], "must be text"),
        ([{**P, "name": ""}, C], "needs a name"),
        ([{**P, "columns": COLUMNS[:1]}, {**C, "columns": COLUMNS[:1]}], "nothing to learn"),
    ],
)
def test_contradictions_are_refused(tables, match):
    with pytest.raises(SchemaError, match=match):
        relations_from_dict({"tables": tables})


def test_entities_among_related_tables_are_refused():
    with pytest.raises(SchemaError, match="not supported among related tables"):
        replace(PARENT, schema=replace(PARENT.schema, entity="id", public_rows=None))
    with pytest.raises(SchemaError, match="one child or more"):
        Relations(parent=PARENT, children=())
    with pytest.raises(SchemaError, match="needs the column that names its parent"):
        Relations(parent=PARENT, children=(replace(CHILD, parent_key=None),))


def sdv():
    plain = Schema(columns=(Column(name="id", kind=Kind.INTEGER), Column(name="x", kind=Kind.BOOLEAN)))
    facts = schema_to_sdv(plain)["tables"]["table"]
    link = {"parent_table_name": "p", "child_table_name": "c", "parent_primary_key": "id", "child_foreign_key": "id"}
    tables = {"p": {**facts, "primary_key": "id"}, "c": facts}
    return {"METADATA_SPEC_VERSION": "V1", "relationships": [link], "tables": tables}


def test_relationships_of_sdv_metadata_are_read(tmp_path):
    (tmp_path / "m.json").write_text(json.dumps(sdv()))
    found = read_relations(tmp_path / "m.json")
    assert (found.parent.name, found.parent.key, found.children[0].parent_key) == ("p", "id", "id")


def test_other_sdv_metadata_and_broken_files_are_refused(tmp_path):
    many, lost = sdv(), sdv()
    many["relationships"].append({**many["relationships"][0], "parent_table_name": "c"})
    lost["tables"]["d"] = lost["tables"]["c"]
    for metadata, match in ((many, "one parent"), (lost, "every table"), ({"tables": {}}, "no SDV metadata")):
        with pytest.raises(SchemaError, match=match):
            relations_from_sdv(metadata)
    for name, text, match in (("a.json", "{", "not valid JSON"), ("a.json", "[]", "no SDV"), ("a.toml", "[", "not valid TOML")):
        (tmp_path / name).write_text(text)
        with pytest.raises(SchemaError, match=match):
            read_relations(tmp_path / name)
    with pytest.raises(SchemaError, match="cannot read the relations"):
        read_relations(tmp_path / "none.toml")
