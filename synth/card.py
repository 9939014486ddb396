"""The release card: a receipt for people, as text sections or one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

import jinja2

from synth.privacy.events import VOTES
from synth.privacy.minimizer import WEIGHTS
from synth.receipt import Receipt
from synth.schema import Schema


def sections(receipt: Receipt, schema: Schema, audit: Sequence[tuple[str, str]] = ()) -> dict[str, list[tuple[str, str]]]:
    """Headed lists of (what, value) in reading order: promise first, evidence after; ``audit`` as in ``synth.audited``."""
    groups = [(f"epsilon for somebody with {k} rows", _epsilon(value)) for k, value in sorted(receipt.group_epsilon.items())]
    learnt = ", ".join(f"{name} ({', '.join(facts)})" for name, facts in receipt.learnt.items())
    return {
        "Promise": [
            ("epsilon", f"{receipt.epsilon:g}"),
            ("delta", f"{receipt.delta:g}"),
            ("protects", f"one {receipt.unit}: neighbours {receipt.adjacency}"),
            ("covers", "everything learnt from the rows: counts, domains, bounds, bins and training"),
            ("against", "anybody who holds this file and any number of synthetic rows"),
        ],
        "Other readings, for the mechanisms that ran": [
            (f"epsilon if neighbours replace one {receipt.unit}", _epsilon(receipt.replace_one_epsilon)),
            *groups,
        ],
        "What was done": [
            ("model", receipt.model),
            (
                "rows" if receipt.unit == "row" else f"number of {receipt.unit}",
                f"{receipt.rows:,} ({'declared public' if receipt.rows_public else 'noisy count'})",
            ),
            ("columns", str(len(schema.columns))),
            ("learnt with budget", learnt or "nothing: every fact was public"),
            ("epsilon found by the accountant", f"{receipt.epsilon_spent:.4g} at delta {receipt.calibration_delta:.3g}"),
            ("cross-check", ", ".join(f"{name} {value:.4g}" for name, value in receipt.accountants.items())),
            ("noise", receipt.noise_grade),
            ("date", receipt.created),
            ("software", ", ".join(f"{name} {version}" for name, version in receipt.versions.items())),
        ],
        **({"Last audit": list(audit)} if audit else {}),
        "Limits": [(str(i), text) for i, text in enumerate(receipt.limits, start=1)],
    }


def _epsilon(value: float | None) -> str:
    return "no finite figure at this delta" if value is None else f"{value:.3g}"


def spending(receipt: Receipt) -> list[dict[str, Any]]:
    """Events gathered by purpose: how many, with what noise."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for event in receipt.events:
        if event["type"] == "subsampled_gaussian":
            noise = f"noise multiplier {event['noise_multiplier']:.3g}, rate {event['sample_rate']:.3g}, {event['steps']} steps"
            mechanism = "DP-SGD: Poisson-subsampled Gaussian"
        elif event["type"] == "selection":
            noise, mechanism = f"epsilon {event['epsilon']:.3g} each", "exponential mechanism"
        elif event["type"] == "repeated_selection":
            mechanism = "best of a random number of runs (truncated negative binomial)"
            noise = f"one run: epsilon {event['run_epsilon']:.3g} at delta {event['run_delta']:.1g} with all before it"
        elif event["type"] == "laplace":
            noise, mechanism = f"scale {event['scale']:.3g}", "Laplace noise on whole numbers"
        else:
            unit = "votes" if event["what"] == VOTES else "rows" if receipt.unit == "row" else "entities"
            noise = f"standard deviation {event['sigma']:.3g} {unit}"
            mechanism = "rounded Gaussian counts"
            if event["what"] == WEIGHTS:
                noise, mechanism = f"standard deviation {event['sigma']:.3g} of each weight", "Gaussian on trained weights"
            if event["type"] == "partition_selection":
                mechanism = "partition selection"
                noise += f", threshold {event['threshold']}, delta {event['delta']:.1g}"
        row = rows.setdefault((event["what"], noise), {"what": event["what"], "mechanism": mechanism, "noise": noise})
        row["times"] = row.get("times", 0) + 1
        row["share"] = row.get("share", 0.0) + event.get("share_of_counts", 0.0)
    return list(rows.values())


def card_html(receipt: Receipt, schema: Schema, audit: Sequence[tuple[str, str]] = ()) -> str:
    """One self-contained page; ``audit`` as in ``synth.audited``."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(resources.files("synth").joinpath("card.html.j2").read_text(encoding="utf-8"))
    headed = sections(receipt, schema, audit)
    return template.render(receipt=receipt, schema=schema, sections=headed, spending=spending(receipt))
