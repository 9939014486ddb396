"""The command in this process, on a small table."""

import pytest

from synth.schema import Schema
from synth.schema_toml import schema_to_toml


@pytest.fixture
def call(capsys, monkeypatch):
    """``call("fit", ...)`` gives (exit code, stdout, stderr)."""
    from synth.cli.main import run

    monkeypatch.delenv("SYNTH_DEBUG", raising=False)

    def go(*arguments):
        capsys.readouterr()
        code = run([str(a) for a in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return go


@pytest.fixture(scope="session")
def place(tmp_path_factory, frame, declared):
    """A folder with ``t.csv`` and ``s.toml``."""
    folder = tmp_path_factory.mktemp("cli")
    frame.to_csv(folder / "t.csv", index=False)
    assert isinstance(declared, Schema)
    (folder / "s.toml").write_text(schema_to_toml(declared))
    return folder


@pytest.fixture(scope="session")
def model(place):
    """An independent model of the table."""
    from synth.api import fit

    return fit(place / "t.csv", epsilon=3.0, schema=place / "s.toml", model="independent", seed=0).save(place / "m.synth")
