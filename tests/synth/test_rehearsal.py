"""Several sites in one process."""

import pandas as pd
import pytest

from synth.api import read_schema
from synth.errors import InputError
from synth.rehearsal import Room, rehearse
from synth.sites import LIMIT

SCHEMA = """
public_rows = 200

[[columns]]
name = "ward"
kind = "category"
categories = ["x", "y"]
nullable = false
"""


@pytest.fixture
def schema(tmp_path):
    (tmp_path / "s.toml").write_text(SCHEMA)
    return read_schema(tmp_path / "s.toml")


def test_two_frames_one_release(schema):
    frame = pd.DataFrame({"ward": ["x"] * 90 + ["y"] * 10})
    release = rehearse([frame, frame], schema=schema, epsilon=10.0, model="independent", seed=1)
    assert release.receipt.limits[0] == LIMIT.format(size=2)
    assert release.sample(1000, seed=0)["ward"].value_counts(normalize=True)["x"] == pytest.approx(0.9, abs=0.1)


def test_the_first_cause_is_told(schema):
    with pytest.raises(InputError, match="at least two"):
        rehearse([None], schema=schema, epsilon=1.0)
    with pytest.raises(InputError, match="there is no table"):
        rehearse([pd.DataFrame({"ward": ["x"]}), "nowhere.csv"], schema=schema, epsilon=1.0, model="independent")
    frames = [pd.DataFrame({"ward": ["x"]}), pd.DataFrame({"room": ["x"]})]
    with pytest.raises(InputError, match="lacks column 'ward'"):
        rehearse(frames, schema=schema, epsilon=1.0, model="independent")


def test_what_comes_before_joining_is_nobody_elses():
    def task(exchange, rank):
        raise ValueError("before")

    assert [str(error) for error in Room(2, 1).run(task)] == ["before"] * 2
