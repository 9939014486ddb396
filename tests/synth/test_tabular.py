import numpy as np
import pandas as pd
import pytest

from synth.conditions import Condition
from synth.errors import InputError, SchemaError
from synth.schema import Column, Kind, Schema
from synth.tabular import TabularSynthesizer, with_bounds

METADATA = {
    "METADATA_SPEC_VERSION": "SINGLE_TABLE_V1",
    "columns": {
        "age": {"sdtype": "numerical", "computer_representation": "Int64"},
        "top": {"sdtype": "numerical", "computer_representation": "Int64"},
        "sex": {"sdtype": "categorical"},
    },
}
BOUNDS = {"age": {"min": 0, "max": 100}, "top": (0, 120)}


def rows(n=2000):
    rng = np.random.default_rng(0)
    age = rng.integers(0, 100, n)
    return pd.DataFrame({"age": age, "top": age + rng.integers(0, 20, n), "sex": rng.choice(["f", "m"], n)})


class Metadata:
    def to_dict(self):
        return METADATA


def test_it_goes_as_sdv_users_expect(tmp_path):
    made = TabularSynthesizer(Metadata(), epsilon=3.0, known_min_max_values=BOUNDS, model="independent")
    assert made._repr_html_() is None
    made.add_constraints([{"constraint_class": "Inequality",
                           "constraint_parameters": {"low_column_name": "age", "high_column_name": "top"}}])  # fmt: skip
    found = made.fit(rows()).sample(300, seed=1)
    assert (found["age"] <= found["top"]).all()
    assert made.get_metadata()["age"].bounds == (0, 100)
    made.save(tmp_path / "m.synth")
    again = TabularSynthesizer.load(tmp_path / "m.synth")
    assert again.sample(num_rows=300, seed=1).equals(found)
    assert again.epsilon == 3.0
    assert "epsilon" in again._repr_html_()
    female = again.sample_from_conditions([Condition(num_rows=5, column_values={"sex": "f"})])
    assert set(female["sex"]) == {"f"}
    assert again.sample_remaining_columns(pd.DataFrame({"age": [7]}))["age"].tolist() == [7]


def test_metadata_come_in_many_forms(tmp_path):
    schema = Schema(columns=(Column(name="age", kind=Kind.INTEGER),))
    assert TabularSynthesizer(schema, epsilon=1.0).get_metadata() is schema
    assert TabularSynthesizer(METADATA, epsilon=1.0).get_metadata()["sex"].kind is Kind.CATEGORY
    (tmp_path / "s.toml").write_text('[[columns]]\nname = "a"\nkind = "float"\n')
    assert TabularSynthesizer(tmp_path / "s.toml", epsilon=1.0).get_metadata().names == ("a",)
    assert TabularSynthesizer(epsilon=1.0).get_metadata() is None


def test_bad_use_is_a_sentence():
    with pytest.raises(InputError, match="not fitted yet"):
        TabularSynthesizer(METADATA, epsilon=1.0).sample(3)
    with pytest.raises(InputError, match="metadata must be"):
        TabularSynthesizer(3, epsilon=1.0)
    with pytest.raises(InputError, match="needs metadata"):
        TabularSynthesizer(epsilon=1.0, known_min_max_values={})
    with pytest.raises(InputError, match="need metadata"):
        TabularSynthesizer(epsilon=1.0).add_constraints([])
    schema = TabularSynthesizer(METADATA, epsilon=1.0).schema
    for known, error, message in [
        ({"nope": (0, 1)}, InputError, "does not have"),
        ({"age": {"min": 0}}, InputError, "a minimum and a maximum"),
        ({"age": "01"}, InputError, "a minimum and a maximum"),
        ({"age": (3, 1)}, SchemaError, "low <= high"),
        ({"sex": (0, 1)}, SchemaError, "bounds"),
    ]:
        with pytest.raises(error, match=message):
            with_bounds(schema, known)
    dated = Schema(columns=(Column(name="d", kind=Kind.DATETIME),))
    days = (pd.Timestamp("2020-01-01"), pd.Timestamp("2021-01-01"))
    assert with_bounds(dated, {"d": days})["d"].bounds == ("2020-01-01T00:00:00", "2021-01-01T00:00:00")
