"""Repeatable by the holder of the secret, and by nobody else; nothing is shared once anything differs."""

import copy
import datetime
import hashlib
import hmac
import os
import pickle
import stat

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats

from synth.errors import InputError
from synth.privacy import keyed
from synth.privacy.keyed import KeyedStream, hkdf_sha256, keyed_stream, read_noise_key, seed_of, surroundings, write_noise_key
from synth.privacy.mechanisms import noisy_counts
from synth.privacy.randomness import poisson_sample
from synth.privacy.rows import StoredRows
from synth.privacy.scratch import Scratch

SECRET = bytes(range(32))
FRAME = pd.DataFrame({"a": ["x", "y", "x"], "b": [1, 2, 3]})


def first(secret=SECRET, frame=FRAME, settings=None):
    return keyed_stream(secret, frame, settings if settings is not None else {"epsilon": 1.0})(64)


def test_hkdf_is_that_of_rfc_5869():
    """Appendix A.1, first 32 of its 42 bytes."""
    found = hkdf_sha256(b"\x0b" * 22, salt=bytes(range(13)), info=bytes(range(0xF0, 0xFA)))
    assert found.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"


def test_the_same_secret_rows_and_settings_repeat():
    assert first() == first(frame=FRAME.copy())
    assert seed_of(SECRET, {"a": 1}) == seed_of(SECRET, {"a": 1}) != seed_of(SECRET, {"a": 2})
    assert seed_of(SECRET, {}) < 2**63


CHANGED = {
    "secret": {"secret": bytes(range(1, 33))},
    "setting": {"settings": {"epsilon": 1.5}},
    "more settings": {"settings": {"epsilon": 1.0, "seed": 1}},
    "cell": {"frame": FRAME.assign(b=[1, 2, 4])},
    "order": {"frame": FRAME.iloc[::-1]},
    "type": {"frame": FRAME.assign(b=["1", "2", "3"])},
    "name": {"frame": FRAME.rename(columns={"a": "c"})},
    "row": {"frame": FRAME.iloc[:2]},
    "category": {"frame": FRAME.astype({"a": "category"})},
    "category code": {"frame": FRAME.assign(a=["x", "y", "y"]).astype({"a": "category"})},
    "split of texts": {"frame": FRAME.assign(a=["xy", "", "x"])},
    "missing": {"frame": FRAME.assign(a=["x", None, "x"])},
    "other missing": {"frame": FRAME.assign(a=["x", pd.NA, "x"])},
    "date": {"frame": FRAME.assign(a=[datetime.date(2020, 1, 1), pd.NaT, None])},
}


def test_whatever_changes_everything_changes():
    drawn = {first(), *(first(**change) for change in CHANGED.values())}
    assert len(drawn) == len(CHANGED) + 1


def test_the_surroundings_are_part_of_the_settings(monkeypatch):
    before = first()
    monkeypatch.setattr(keyed, "surroundings", lambda: {"program": "other"})
    assert first() != before
    monkeypatch.undo()
    found = surroundings()
    assert found == surroundings()
    assert found["versions"]["numpy"] == np.__version__
    assert keyed._version("no-such-package-here") is None


def test_a_machine_without_cpuinfo(monkeypatch):
    def missing(self, encoding):
        raise FileNotFoundError

    monkeypatch.setattr(keyed.Path, "read_text", missing)
    assert isinstance(keyed._processor(), str)


def test_noise_depends_on_the_answer_and_its_scale_and_on_all_answers_before():
    """Equal words under two scales, or on two answers, would give the exact answers away."""

    def noise(counts, sigma, before=()):
        stream = KeyedStream(SECRET)
        for answer in before:
            noisy_counts(np.array(answer), sigma=sigma, entropy=stream)
        return tuple(noisy_counts(np.array(counts), sigma=sigma, entropy=stream) - counts)

    base = [10] * 8
    assert noise(base, 1e6) == noise(base, 1e6)
    variants = {noise(base, 1e6), noise([*base[:-1], 11], 1e6), noise(base, 2e6), noise(base, 1e6, [base])}
    assert len(variants | {noise(base, 1e6, [[*base[:-1], 11]])}) == 5
    halves = np.array(noise(base, 2e6)) / 2
    assert not np.allclose(halves, noise(base, 1e6), rtol=1e-3)


@pytest.mark.statistical
def test_the_stream_is_uniform_and_its_noise_gaussian():
    """Two tests at 1e-7 each."""
    stream = KeyedStream(SECRET)
    counts = np.bincount(np.frombuffer(stream(1 << 16) + stream(1 << 16), dtype=np.uint8), minlength=256)
    assert stats.chisquare(counts).pvalue > 1e-7
    noise = noisy_counts(np.zeros(20_000, dtype=np.int64), sigma=1000.0, entropy=stream)
    assert stats.kstest(noise / 1000, "norm").pvalue > 1e-7
    assert 0 < len(poisson_sample(1000, 0.5, stream)) < 1000


def test_the_stream_hides_itself():
    stream = KeyedStream(SECRET)
    assert repr(stream) == "<KeyedStream>"
    assert not hasattr(stream, "__dict__")
    for spill in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled or copied"):
            spill(stream)


def test_drawn_bytes_do_not_tell_the_state():
    """What is drawn and what is kept come from different hashes of the state."""
    stream = KeyedStream(SECRET)
    drawn = stream(32)
    assert drawn == hashlib.shake_256(b"draw" + SECRET).digest(32)
    assert stream(32) == hashlib.shake_256(b"draw" + hashlib.sha256(b"next" + SECRET).digest()).digest(32) != drawn
    stream = KeyedStream(SECRET)
    stream.absorb(b"x")
    assert stream(32) == hashlib.shake_256(b"draw" + hmac.digest(SECRET, b"x", "sha256")).digest(32)


def test_odd_objects_are_refused_without_being_quoted():
    with pytest.raises(InputError, match="texts, numbers, dates") as caught:
        first(frame=pd.DataFrame({"a": [["CANARY"]]}))
    assert "CANARY" not in str(caught.value)


def test_a_key_file_is_made_once_and_closed(tmp_path):
    old = os.umask(0)
    try:
        write_noise_key(tmp_path / "k")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600
    secret = read_noise_key(tmp_path / "k")
    assert len(secret) == 32
    with pytest.raises(InputError, match="never overwritten"):
        write_noise_key(tmp_path / "k")
    write_noise_key(tmp_path / "other")
    assert read_noise_key(tmp_path / "other") != secret
    with pytest.raises(InputError, match="cannot make the noise key"):
        write_noise_key(tmp_path / "none" / "k")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_key_that_others_may_reach_is_refused(tmp_path, mode):
    write_noise_key(tmp_path / "k")
    (tmp_path / "k").chmod(mode)
    with pytest.raises(InputError, match="chmod 600") as caught:
        read_noise_key(tmp_path / "k")
    assert (tmp_path / "k").read_text().strip() not in str(caught.value)


def test_a_key_of_somebody_else_is_refused(tmp_path, monkeypatch):
    write_noise_key(tmp_path / "k")
    monkeypatch.setattr(keyed.os, "geteuid", lambda: 12345)
    with pytest.raises(InputError, match="must be yours"):
        read_noise_key(tmp_path / "k")


@pytest.mark.parametrize("content", [b"", b"abc", b"zz" * 32, b"00" * 32, b"\xff" * 64, b"0123456789abcdef" * 3, b"ab" * 5000])
def test_what_is_no_key_is_refused_and_not_quoted(tmp_path, content):
    (tmp_path / "k").write_bytes(content)
    (tmp_path / "k").chmod(0o600)
    with pytest.raises(InputError, match="no noise key") as caught:
        read_noise_key(tmp_path / "k")
    assert not content or content.decode("latin-1") not in str(caught.value)


def test_missing_files_folders_and_pipes_are_no_keys(tmp_path):
    with pytest.raises(InputError, match="cannot read the noise key"):
        read_noise_key(tmp_path / "k")
    with pytest.raises(InputError, match="noise key"):
        read_noise_key(tmp_path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(InputError, match="no noise key"):
        read_noise_key(tmp_path / "pipe")


def test_a_stored_table_has_a_stream_of_its_rows(tmp_path):
    def stored(cells):
        rows = StoredRows(("x",), ("x",), Scratch(tmp_path))
        rows.append(pa.table({"x": cells}))
        return keyed_stream(bytes(range(32)), rows, {"epsilon": 1.0})(64)

    assert stored([1, 2]) == stored([1, 2])
    assert len({stored([1, 2]), stored([1, 3]), stored([1, 2, 2])}) == 3
