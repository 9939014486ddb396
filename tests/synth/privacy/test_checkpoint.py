import errno
import stat

import numpy as np
import pytest

import synth.privacy.checkpoint as checkpoint
from synth.errors import InputError
from synth.privacy.checkpoint import Answer, Checkpoint, array_to_texts, read_checkpoint, texts_to_array, write_checkpoint
from synth.privacy.events import GaussianEvent, PartitionSelectionEvent, SubsampledGaussianEvent

TRAINING = SubsampledGaussianEvent(what="c", noise_multiplier=2.0, sample_rate=0.1, steps=3)
STATE = (np.zeros(()), np.ones((2, 2), np.float32))
ANSWERS = (
    Answer(
        start=0, events=(GaussianEvent(what="a", target=("x", "y"), sigma=0.1),), about="q",
        arrays=(np.arange(6).reshape(2, 3),),
    ),
    Answer(
        start=1, events=(PartitionSelectionEvent(what="b", target=("x",), sigma=3.0, threshold=4, delta=1e-7),), about="",
        arrays=(texts_to_array(["é", "b\n"]), np.zeros(0)),
    ),
    Answer(start=2, events=(TRAINING,), about="", arrays=()),
)  # fmt: skip
WHOLE = Checkpoint(
    run="ab",
    settings={"epsilon": 1.0, "schema": None},
    seed=7,
    answers=ANSWERS,
    state=(np.zeros(()), np.ones((2, 2), np.float32)),
)


def test_what_is_kept_comes_back(tmp_path):
    path = tmp_path / "c"
    write_checkpoint(path, WHOLE)
    found = read_checkpoint(path)
    assert (found.run, found.settings, found.seed) == ("ab", WHOLE.settings, 7)
    assert [(a.start, a.events, a.about) for a in found.answers] == [(a.start, a.events, a.about) for a in ANSWERS]
    pairs = zip(
        [x for a in found.answers for x in a.arrays] + list(found.state),
        [x for a in ANSWERS for x in a.arrays] + list(WHOLE.state),
        strict=True,
    )
    for after, before in pairs:
        assert after.dtype == before.dtype
        assert after.shape == before.shape
        np.testing.assert_array_equal(after, before)
    assert array_to_texts(found.answers[1].arrays[0]) == ["é", "b\n"]


def test_only_its_owner_may_read_it_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "c"
    write_checkpoint(path, WHOLE, new=True)
    write_checkpoint(path, WHOLE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    path.chmod(0o644)
    with pytest.raises(InputError, match="closed to everybody else"):
        read_checkpoint(path)


def test_one_that_is_there_is_not_begun_again(tmp_path):
    path = tmp_path / "c"
    write_checkpoint(path, WHOLE, new=True)
    before = path.read_bytes()
    with pytest.raises(InputError, match="go on with it by --resume"):
        write_checkpoint(path, Checkpoint(run="other", settings={}, seed=0), new=True)
    assert path.read_bytes() == before


def test_every_truncation_and_every_changed_byte_is_refused(tmp_path):
    path = tmp_path / "c"
    write_checkpoint(path, WHOLE)
    content = path.read_bytes()
    for place in range(0, len(content), 37):
        for harmed in (content[:place], content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]):
            path.write_bytes(harmed)
            with pytest.raises(InputError, match="damaged or of another version"):
                read_checkpoint(path)


def test_a_whole_file_with_an_impossible_head_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "c"
    monkeypatch.setattr(checkpoint, "event_to_dict", lambda event: {"type": "unheard of"})
    write_checkpoint(path, WHOLE)
    with pytest.raises(InputError, match="damaged or of another version"):
        read_checkpoint(path)


def test_none_at_all_and_one_that_cannot_be_read(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="run the command without --resume"):
        read_checkpoint(tmp_path / "c")
    write_checkpoint(tmp_path / "c", WHOLE)

    def broken(self):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(type(tmp_path), "read_bytes", broken)
    with pytest.raises(InputError, match="cannot read the checkpoint"):
        read_checkpoint(tmp_path / "c")


def test_a_full_disk_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "c"
    write_checkpoint(path, WHOLE)
    before = path.read_bytes()

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot write the checkpoint .* No space left"):
        write_checkpoint(path, Checkpoint(run="x", settings={}, seed=0))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
