"""Silence."""

from synth.progress import Silent


def test_silent_says_nothing(capsys):
    silent = Silent()
    assert [silent.phase("x", 3), silent.advance(), silent.spent(1.0)] == [None] * 3
    assert capsys.readouterr() == ("", "")
