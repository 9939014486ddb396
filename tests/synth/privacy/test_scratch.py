"""Rows on disk have no name, are closed to others, and go with the process."""

import os
import stat

import pytest

from synth.errors import InputError
from synth.privacy.scratch import PAGE, Scratch


def test_what_is_written_is_read_back_from_page_borders(tmp_path):
    space = Scratch(tmp_path)
    first, second = space.append(b"abc"), space.append(b"d" * (PAGE + 1))
    assert (first, second) == (0, PAGE)
    assert bytes(space.view(first, 3)) == b"abc"
    assert bytes(space.view(second, PAGE + 1)) == b"d" * (PAGE + 1)
    assert space.view(first, 0) == b""
    place = space.reserve(10)
    assert place % PAGE == 0
    space.view(place, 10)[:3] = b"xyz"
    assert bytes(space.view(place, 4)) == b"xyz\0"
    assert space.reserve(0) > place


def test_nothing_of_it_can_be_found_in_the_folder(tmp_path, monkeypatch):
    modes, real = [], os.open

    def opened(path, *args):
        modes.append((stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode), args[1]))
        return real(path, *args)

    monkeypatch.setattr(os, "open", opened)
    space = Scratch(tmp_path)
    space.append(b"SECRET")
    assert modes == [(0o700, 0o600)]
    assert list(tmp_path.iterdir()) == []


def test_the_space_is_given_back(tmp_path):
    space = Scratch(tmp_path)
    handle = space._Scratch__handle
    os.fstat(handle)
    del space
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(handle)


def test_no_space_is_a_sentence(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="set TMPDIR"):
        Scratch(tmp_path / "none")
    space = Scratch(tmp_path)

    def full(*args):
        raise OSError(28, "No space left on device")

    for name, use in (("pwrite", lambda: space.append(b"abc")), ("posix_fallocate", lambda: space.reserve(9))):
        monkeypatch.setattr(os, name, full)
        with pytest.raises(InputError, match=r"cannot grow .No space left"):
            use()
