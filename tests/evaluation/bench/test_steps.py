import numpy as np
import pytest
import torch

from evaluation.bench import steps
from evaluation.bench.steps import measure_steps, timed


def test_the_median_after_a_warm_up(monkeypatch):
    now, calls = iter([0.0, 1.0, 10.0, 12.0, 20.0, 29.0]), []
    monkeypatch.setattr(steps.time, "perf_counter", lambda: next(now))
    assert timed(lambda: calls.append(1), 3) == pytest.approx(2000.0)
    assert len(calls) == 4


@pytest.fixture(scope="module")
def records():
    threads = torch.get_num_threads()
    patch = pytest.MonkeyPatch()
    patch.setattr(steps, "BATCH", 64)
    patch.setattr(steps, "REPEATS", 1)
    yield measure_steps()
    patch.undo()
    torch.set_num_threads(threads)


def test_every_network_is_compared_with_its_plain_step(records):
    found = {(r["network"], r["step"]): r for r in records}
    networks = {r["network"] for r in records}
    assert {"dpvae", "dpgan critic"} <= networks
    for network in networks:
        assert found[network, "plain torch"]["ratio"] == 1.0
        assert found[network, "synth, noise included"]["milliseconds"] > 0
    assert ("dpgan critic", "Opacus hooks, clipped sum only") in found


def test_records_say_what_was_measured(records):
    for r in records:
        assert np.isfinite(r["ratio"])
        assert r["batch"] == 64
        assert r["parameters"] > 0
        assert {"date", "machine", "versions"} <= set(r)
