"""Files that are whole or not there; ``test_release`` has the refusals."""

import pytest

from synth.atomic import atomic_path
from synth.errors import InputError


def test_a_file_appears_when_all_of_it_is_there(tmp_path):
    target = tmp_path / "x.txt"
    with atomic_path(target, force=False) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    with pytest.raises(InputError, match="already exists"):
        atomic_path(target, force=False)


def test_an_error_leaves_nothing_behind(tmp_path):
    def half_done():
        with atomic_path(tmp_path / "x.txt", force=False) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_done()
    assert list(tmp_path.iterdir()) == []
