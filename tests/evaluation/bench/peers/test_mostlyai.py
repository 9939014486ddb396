import sys
from types import SimpleNamespace

import pandas as pd

from evaluation.bench.peers.mostlyai import generate


def test_the_budget_covers_training_and_ranges(monkeypatch):
    seen = {}

    class TabularARGN:
        def __init__(self, **said):
            seen.update(said)

        def fit(self, frame):
            seen["fitted"] = len(frame)

        def sample(self, **said):
            seen.update(said)
            return pd.DataFrame({"town": ["Ulm"] * said["n_samples"]})

    for name in ("torchvision", "torchaudio"):  # the script puts them aside; this takes that back
        monkeypatch.setitem(sys.modules, name, sys.modules.get(name))
    monkeypatch.setitem(sys.modules, "mostlyai", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "mostlyai.engine", SimpleNamespace(TabularARGN=TabularARGN))
    monkeypatch.setitem(sys.modules, "mostlyai.engine.domain", SimpleNamespace(DifferentialPrivacyConfig=dict))
    made = generate(
        pd.DataFrame({"town": ["Ulm"] * 3}), [{"name": "town", "number": False}], epsilon=2.0, delta=1e-6, seed=4, rows=5,
        options={"noise_multiplier": 3.0, "max_epochs": 7}, target=None,
    )  # fmt: skip
    assert len(made) == 5
    assert seen["differential_privacy"] == {
        "max_epsilon": 2.0, "delta": 1e-6, "value_protection_epsilon": 0.2, "noise_multiplier": 3.0,
    }  # fmt: skip
    assert (seen["random_state"], seen["max_epochs"], seen["fitted"]) == (4, 7, 3)
    assert seen["tgt_encoding_types"] == {"town": "TABULAR_CATEGORICAL"}
