"""MOSTLY AI's engine: TabularARGN, an autoregressive network trained with Opacus' DP-SGD until the budget is spent.

Its ``max_epsilon`` covers training and the ``value_protection_epsilon`` that learns ranges and categories; their ratio, ten to
one, is the default's. It offers no way to declare bounds, so it learns them. Rare categories are drawn from the common ones
rather than written as a text outside the public schema.
"""

from __future__ import annotations

import sys
from typing import Any

import pandas as pd

VALUES = 0.1  # of the budget, for ranges and categories


def generate(
    frame: pd.DataFrame,
    columns: list[dict[str, Any]],
    *,
    epsilon: float,
    delta: float,
    seed: int,
    rows: int,
    options: dict[str, Any],
    target: str | None,  # noqa: ARG001
) -> pd.DataFrame:
    """Fit and sample; option ``noise_multiplier`` and its like go to the privacy settings, the others to the model."""
    for unused in ("torchvision", "torchaudio"):  # their wheels do not load beside a torch without CUDA
        sys.modules.setdefault(unused, None)  # type: ignore[arg-type]
    from mostlyai.engine import TabularARGN
    from mostlyai.engine.domain import DifferentialPrivacyConfig

    said = dict(options)
    privacy = {"max_epsilon": epsilon, "delta": delta, "value_protection_epsilon": epsilon * VALUES}
    privacy |= {name: said.pop(name) for name in ("noise_multiplier", "max_grad_norm") if name in said}
    texts = {c["name"]: "TABULAR_CATEGORICAL" for c in columns if not c["number"]}
    config = DifferentialPrivacyConfig(**privacy)
    model = TabularARGN(differential_privacy=config, tgt_encoding_types=texts or None, random_state=seed, device="cpu", **said)
    model.fit(frame)
    return pd.DataFrame(model.sample(n_samples=rows, rare_category_replacement_method="SAMPLE"))
