"""Proposals for columns of texts."""

import pytest

from synth.privacy.guesses import personal, shape, spelled
from synth.schema import Kind


def test_personal_data_by_name():
    assert personal("E-Mail").faker == "email"
    assert personal("Last Name").faker == "last_name"
    assert personal("hospital") is None


@pytest.mark.parametrize(
    ("values", "kind", "format_"),
    [
        (["31/01/2020", "01/12/2020"], Kind.DATETIME, "%d/%m/%Y"),
        (["01/12/2020", "02/11/2020"], Kind.DATETIME, "%d/%m/%Y"),
        (["31.01.2020 08:00"], Kind.DATETIME, "%d.%m.%Y %H:%M"),
        (["08:30 PM"], Kind.TIME, "%I:%M %p"),
        (["no", "yes"], Kind.BOOLEAN, None),
        (["1,5", "2"], Kind.DECIMAL, None),
        (["1,12345678"], Kind.FLOAT, None),
    ],
)
def test_spellings(values, kind, format_):
    found = spelled("x", values)
    assert (found.kind, found.format) == (kind, format_)
    assert bool(found.description) == (values[0] == "01/12/2020")


@pytest.mark.parametrize("values", [[], ["Ulm", "Aix"], ["1", "2"]])
def test_plain_categories_stay(values):
    assert spelled("x", values) is None


@pytest.mark.parametrize(
    ("values", "pattern"),
    [
        (["AB-1", "AC-2"], "A[A-Z]-[0-9]"),
        (["a1", "2b"], "[0-9a-z]{2}"),
        (["x.1", "x.2"], r"x\.[0-9]"),
        (["a", "bb"], None),
        (["é1", "è2"], None),
        ([""], None),
    ],
)
def test_shapes(values, pattern):
    assert shape(values) == pattern
