import pytest

from synth.processes import leads, several


@pytest.mark.parametrize(
    ("rank", "size", "wanted"),
    [(None, None, (False, True)), ("0", "1", (False, True)), ("0", "2", (True, True)), ("1", "2", (True, False))],
)
def test_which_process_writes(monkeypatch, rank, size, wanted):
    for name, value in (("RANK", rank), ("WORLD_SIZE", size)):
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    assert (several(), leads()) == wanted
