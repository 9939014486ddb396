"""The file under the ledger: what the ledger's own tests do not reach."""

import os
import resource

import pytest

from synth.errors import InputError, RefusedError
from synth.privacy import chain
from synth.privacy.chain import append, append_after, read_ledger


def test_decisions_see_the_history_and_may_refuse(tmp_path):
    path = tmp_path / "l"
    append(path, "a", [("x", {"n": 1}), ("x", {"n": 2})])
    append_after(path, "b", lambda records: [("y", {"n": sum(r["n"] for r in records)})])
    before = path.read_bytes()

    def refuse(records):
        raise RefusedError("no")

    with pytest.raises(RefusedError):
        append_after(path, "c", refuse)
    assert path.read_bytes() == before
    assert [(r["run"], r["record"], r["n"]) for r in read_ledger(path)] == [("a", "x", 1), ("a", "x", 2), ("b", "y", 3)]


def test_an_altered_history_decides_nothing(tmp_path):
    path = tmp_path / "l"
    append(path, "a", [("x", {"n": 1}), ("x", {"n": 2})])
    path.write_bytes(path.read_bytes().replace(b'"n": 1', b'"n": 0'))
    with pytest.raises(InputError, match="altered at line 1"):
        append_after(path, "b", lambda records: [])


def test_a_full_disk_leaves_no_half_of_a_group(tmp_path, monkeypatch):
    path = tmp_path / "l"
    append(path, "a", [("x", {})])
    before = path.read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(chain.os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        append(path, "b", [("x", {}), ("x", {})])
    assert path.read_bytes() == before


def test_a_disk_that_fills_up_in_the_middle_of_a_line(tmp_path):
    """The system itself stops the write (a limit on file sizes acts like a full disk), then there is room again."""
    path = tmp_path / "l"
    append(path, "a", [("x", {})])
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 1000, limits[1]))
    try:
        with pytest.raises(InputError, match="cannot write the ledger"):
            append(path, "b", [("x", {"n": "y" * 500})] * 4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    append(path, "c", [("x", {})])
    assert [r["run"] for r in read_ledger(path)] == ["a", "c"]


def test_what_is_no_plain_file_or_too_large_is_refused(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"cannot write the ledger .* not a plain file"):
        append(tmp_path / "pipe", "a", [])
    with pytest.raises(InputError, match=r"cannot read the ledger .* not a plain file"):
        read_ledger(tmp_path)
    append(tmp_path / "l", "a", [("x", {})])
    monkeypatch.setattr(chain, "MAX_BYTES", 10)
    with pytest.raises(InputError, match="larger than"):
        read_ledger(tmp_path / "l")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    append(tmp_path / "l", "a", [("x", {})])

    def closed(self, mode):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(chain.Path, "open", closed)
    with pytest.raises(InputError, match=r"cannot read the ledger .* Permission denied"):
        read_ledger(tmp_path / "l")


def test_deeply_nested_lines_are_damage(tmp_path):
    (tmp_path / "l").write_bytes(b'{"hash": ' + b"[" * 100_000 + b"\n")
    with pytest.raises(InputError, match="damaged at line 1"):
        read_ledger(tmp_path / "l")
