"""Files that are whole or not there; ``test_release`` has the refusals."""

from pathlib import Path

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


def test_a_file_that_came_in_between_is_left_alone_but_by_force(tmp_path):
    target = tmp_path / "x.txt"

    def write(*, force):
        target.unlink(missing_ok=True)
        with atomic_path(target, force=force) as temporary:
            temporary.write_text("mine")
            target.write_text("another's")

    with pytest.raises(InputError, match="already exists"):
        write(force=False)
    assert target.read_text() == "another's"
    write(force=True)
    assert target.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_system_without_links(tmp_path, monkeypatch):
    def refused(self, target):
        raise PermissionError

    monkeypatch.setattr(Path, "hardlink_to", refused)
    with atomic_path(tmp_path / "x.txt", force=False) as temporary:
        temporary.write_text("whole")
    assert [p.read_text() for p in tmp_path.iterdir()] == ["whole"]
