"""The release card: a receipt for people, as text sections or one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import jinja2

from synth.privacy.events import GRADIENT, VOTES
from synth.privacy.minimizer import WEIGHTS
from synth.receipt import Receipt
from synth.registry import changed_options
from synth.schema import Schema

Lines = list[tuple[str, str]]
NO_OPTIONS: Mapping[str, Any] = {}


def sections(
    receipt: Receipt,
    schema: Schema,
    audit: Sequence[tuple[str, str]] = (),
    options: Mapping[str, Any] = NO_OPTIONS,
    notes: Sequence[str] = (),
) -> dict[str, Lines]:
    """Headed lists of (what, value) in reading order: promise first, evidence after.

    Args:
        receipt: Of the release.
        schema: Of the release.
        audit: As in ``synth.audited``.
        options: Of the model; those that are not its defaults are told.
        notes: What a reader should know, as ``Release.notes`` says.
    """
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
            *_changed(receipt.model, options),
            (
                "rows" if receipt.unit == "row" else f"number of {receipt.unit}",
                f"{receipt.rows:,} ({'declared public' if receipt.rows_public else 'noisy count'})",
            ),
            ("columns", str(len(schema.columns))),
            *([("target", schema.target)] if schema.target is not None else []),
            ("learnt with budget", learnt or "nothing: every fact was public"),
            ("epsilon found by the accountant", f"{receipt.epsilon_spent:.4g} at delta {receipt.calibration_delta:.3g}"),
            ("cross-check", ", ".join(f"{name} {value:.4g}" for name, value in receipt.accountants.items())),
            ("noise", receipt.noise_grade),
            ("date", receipt.created),
            ("software", ", ".join(f"{name} {version}" for name, version in receipt.versions.items())),
        ],
        **({"Last audit": list(audit)} if audit else {}),
        **({"Notes": [(str(i), text) for i, text in enumerate(notes, start=1)]} if notes else {}),
        "Limits": [(str(i), text) for i, text in enumerate(receipt.limits, start=1)],
    }


def _changed(model: str, options: Mapping[str, Any]) -> Lines:
    said = changed_options(model, options)
    texts = {
        name: ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value) for name, value in said.items()
    }
    return [("options", "; ".join(f"{name} = {text}" for name, text in texts.items()))] if texts else []


def _epsilon(value: float | None) -> str:
    return "no finite figure at this delta" if value is None else f"{value:.3g}"


def spending(receipt: Receipt) -> list[dict[str, Any]]:
    """Events gathered by purpose: how many, with what noise (of counts: from the least to the most)."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    spreads: dict[tuple[str, str], list[float]] = {}
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
            noise = f"standard deviation {{}} {unit}"
            mechanism = "rounded Gaussian counts"
            if event["what"] == GRADIENT:
                noise = f"standard deviation {{}}, sensitivity {event['l2_sensitivity']:.3g}"
                mechanism = "Gaussian on a sum of clipped gradients"
            if event["what"] == WEIGHTS:
                noise, mechanism = "standard deviation {} of each weight", "Gaussian on trained weights"
            if event["type"] == "partition_selection":
                mechanism = "partition selection"
                noise += f", threshold {event['threshold']}, delta {event['delta']:.1g}"
        spreads.setdefault((event["what"], noise), []).append(event.get("sigma", 0.0))
        row = rows.setdefault((event["what"], noise), {"what": event["what"], "mechanism": mechanism, "noise": noise})
        row["times"] = row.get("times", 0) + 1
        row["share"] = row.get("share", 0.0) + event.get("share_of_counts", 0.0)
    for key, row in rows.items():
        low, high = f"{min(spreads[key]):.3g}", f"{max(spreads[key]):.3g}"
        row["noise"] = row["noise"].replace("{}", low if low == high else f"{low} to {high}")
    return list(rows.values())


def share_text(share: float) -> str:
    """A share of the budget for counts; empty for what is none."""
    return f"{100 * share:.1f} %" if share else ""


def card_html(
    receipt: Receipt,
    schema: Schema,
    audit: Sequence[tuple[str, str]] = (),
    options: Mapping[str, Any] = NO_OPTIONS,
    notes: Sequence[str] = (),
) -> str:
    """One self-contained page; arguments as in ``sections``."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(resources.files("synth").joinpath("card.html.j2").read_text(encoding="utf-8"))
    headed = sections(receipt, schema, audit, options, notes)
    return template.render(receipt=receipt, schema=schema, sections=headed, spending=spending(receipt))
