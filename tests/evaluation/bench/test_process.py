import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from evaluation.bench.process import last_words, weighed
from synth.errors import SynthError

PYTHON = [sys.executable, "-I", "-S", "-c"]


def test_a_command_is_timed_and_weighed():
    found = weighed([*PYTHON, "sum(range(10**6)); x = bytearray(300 * 2**20)"], "it")
    assert set(found) == {"seconds", "cpu_seconds", "peak_mib"}
    assert 0 < found["cpu_seconds"] < 60
    assert 300 <= found["peak_mib"] < 400


def test_the_memory_of_the_benchmark_is_not_counted():
    ballast = bytearray(400 * 2**20)
    assert weighed([*PYTHON, "pass"], "it")["peak_mib"] < 100
    assert len(ballast) > 0


def test_a_failure_ends_with_the_last_words():
    with pytest.raises(SynthError, match=r"^tool failed: ValueError: no luck$"):
        weighed([*PYTHON, "raise ValueError('no luck')"], "tool")
    with pytest.raises(SynthError, match=r"^tool failed \(signal 9\): it said nothing$"):
        weighed([*PYTHON, "import os; os.kill(os.getpid(), 9)"], "tool")
    with pytest.raises(SynthError, match=r"^tool could not be started: .*No such file"):
        weighed(["/nowhere/to/be/found"], "tool")


def test_a_slow_command_is_stopped():
    with pytest.raises(SynthError, match=r"tool took longer than 0\.5 s"):
        weighed([*PYTHON, "import time; time.sleep(60)"], "tool", limit=0.5)


def test_variables_are_handed_over():
    weighed([*PYTHON, "import os; assert os.environ['COLOUR'] == 'red'"], "it", environment={"COLOUR": "red"})


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_an_interruption_leaves_no_process_behind(tmp_path):
    """The command is in a group of its own, which goes with the benchmark."""
    child = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    script = f"from evaluation.bench.process import weighed; weighed({[*PYTHON, child]!r}, 'it')"
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background job inherits that it is ignored
    running = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL, preexec_fn=heed)
    try:
        until = time.monotonic() + 60
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < until
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        running.wait(60)
    finally:
        running.kill()
    pid = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 60
    while runs(pid):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_last_words(tmp_path):
    path = tmp_path / "words"
    path.write_text("first\n\nlast  \n \n")
    assert last_words(path) == "last"
    path.write_text("a" * 1000)
    assert len(last_words(path)) == 300
