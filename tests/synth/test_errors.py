"""Exit codes of the command line."""

import pytest

from synth import errors


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("InputError", 2),
        ("SchemaError", 2),
        ("ArtifactError", 2),
        ("RefusedError", 3),
        ("AccountingError", 3),
    ],
)
def test_exit_codes(name, code):
    kind = getattr(errors, name)
    assert kind.exit_code == code
    assert issubclass(kind, errors.SynthError)
