import numpy as np
import pytest
import torch

from evaluation.bench import steps
from evaluation.bench.steps import DENSE, GHOST, HOOKS, OURS, SAME, dense_twin, measure_steps, peak_mib, shipped, timed


def test_steps_take_turns_and_the_median_comes_after_a_warm_up(monkeypatch):
    now, calls = iter([0.0, 9.0, 0.0, 9.0, 0.0, 1.0, 0.0, 5.0, 0.0, 3.0, 0.0, 7.0]), []
    monkeypatch.setattr(steps.time, "process_time", lambda: next(now))
    found = timed({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert found == pytest.approx({"a": 2000.0, "b": 6000.0})
    assert calls == ["a", "b"] * 3


def test_peak_memory_is_that_of_the_step():
    large = peak_mib(lambda: np.ones(100 * 2**17).sum())  # more than an allocator keeps of what it freed before
    assert large is None or 90 < large < 140


def test_the_dense_twin_computes_the_same():
    codes = torch.zeros(3, len(steps.SIZES), dtype=torch.int64)
    for network in shipped():
        twin, pairs = dense_twin(network.module), 0
        for layer, other in zip(network.module.children(), twin.children(), strict=True):
            if type(other).__name__ == "DenseOneHot":
                pairs += 1
                with torch.no_grad():
                    layer.weight.normal_(generator=torch.Generator())
                    other.inner.weight.copy_(layer.weight)
                    if layer.bias is not None:
                        other.inner.bias.copy_(layer.bias)
        noise = torch.ones(3, 2)
        torch.testing.assert_close(*(network.loss(m, codes, lambda _, noise=noise: noise) for m in (network.module, twin)))
        assert pairs or network.name.startswith("perceptron")


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
    assert {"hybrid", "dpvae cold", "dpvae warm", "dpgan critic cold", "dpgan critic warm"} <= networks
    for network in networks:
        assert found[network, DENSE]["ratio"] == found[network, SAME]["ratio_same"] == 1.0
        assert found[network, OURS]["milliseconds"] > 0
        assert ((network, HOOKS) in found) == ((network, GHOST) in found) == (not network.startswith("dpvae"))


def test_records_say_what_was_measured(records):
    for r in records:
        assert np.isfinite(r["ratio"])
        assert r["batch"] == 64
        assert r["parameters"] > 0
        assert {"date", "machine", "versions", "peak_mib"} <= set(r)
