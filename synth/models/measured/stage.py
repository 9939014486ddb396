"""The measured part of a model: noisy tables and products, a mixture fitted to them, and finished rows from drawn ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from synth.models.base import Fitted, Run
from synth.models.measured.denoise import denoise, pooled
from synth.models.measured.evidence import Evidence, Table, as_tables
from synth.models.measured.groups import Groups, settle
from synth.models.measured.interactions import Products, measure_products
from synth.models.measured.mixture import Mixture, MixturePlan, fit_mixture
from synth.models.measured.protect import NONE, Protection, joined, lifted, margins, measure_groups, own_groups
from synth.models.measured.rake import POOL, effective, fit_multipliers, level, pool_size, striking
from synth.models.measured.workload import PLANNED_SHARE, Workload, choose_workload
from synth.models.one_way import log_shares, measure_one_way, measure_with_error, pack
from synth.privacy.shares import burn_training, measurement_mu
from synth.privacy.vault import PrivateTable

FloatArray = npt.NDArray[np.float64]
Draw = Callable[[int, np.random.Generator], Tensor]

INDEPENDENT = "the budget does not carry tables of two columns: columns are independent"
TARGET_ONLY = "the budget carries tables of two columns only with the target among them"
PRODUCT_SHARE, REFINE_SHARE = 0.03, 0.02
FEW_COLUMNS = 30  # up to which drawing twice as many rows as are needed otherwise is cheap
LEAST_EFFECTIVE = 0.6  # sample size by weight, as a share of the rows, below which more rows are drawn
LEAST_FIRST = 0.05  # for one-way tables, however much was asked for tables of pairs
MEASURED_SHARE = 0.7  # most that all of this may take where something is to be left
FITTED_SD = 0.5  # error of the one-way tables after all tables are used, in standard deviations of the measured ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """Everything that was measured; public.

    Attributes:
        one_way: Distribution of every column's codes.
        groups: Coarse codes.
        coarse: Distribution of every column's groups, as the mixture has it.
        evidence: Noisy tables on the groups.
        products: Noisy products of signs, if any.
        mixture: Fitted to the tables.
        view: The rows on coarse codes, behind the ledger.
        notes: What a reader should know.
    """

    one_way: list[FloatArray]
    groups: Groups
    coarse: list[FloatArray]
    evidence: Evidence
    products: Products | None
    mixture: Mixture
    view: PrivateTable
    notes: tuple[str, ...]

    def log_shares(self) -> Tensor:
        """Logarithms of the groups' distributions, shape (width,)."""
        return torch.from_numpy(log_shares(self.coarse, int(self.evidence.rows))).float()


def one_way_share(data: PrivateTable, tables: float | None = None) -> float:
    """Part of the Gaussian budget for one-way tables. Public.

    A tenth, more for more columns or where little else is carried; less than that where tables of pairs and of products, which
    get ``tables`` and a fixed part, would leave too little for training.
    """
    signal = data.rows.rung * measurement_mu(data.ledger) / data.spread
    wide = max(1.0, len(data.domain.names) / 15)
    share = float(np.clip(0.1 * math.sqrt(8000 / signal) * wide, 0.1, 0.5))
    if tables is None:
        return share
    return max(min(share, MEASURED_SHARE - tables - PRODUCT_SHARE - REFINE_SHARE), LEAST_FIRST)


def one_way_only(data: PrivateTable, one_way: list[FloatArray], first: float, share: float | None) -> Fitted:
    """One-way tables again, where no table of two columns can be carried.

    What was set aside for DP-SGD is burnt then: whether it comes to this depends on noisy answers, and a rest that is
    worth as much by another mechanism's privacy curve would not be covered by the composition.

    Args:
        data: Private codes.
        one_way: First answers.
        first: Their share of the budget.
        share: Of the budget that tables would have got; ``None`` for all that is left.
    """
    again = measure_one_way(data, share=share)
    if share is not None:
        burn_training(data.ledger)
    more = 1 - first if share is None else share
    merged = [(more * a + first * b) / (more + first) for a, b in zip(again, one_way, strict=True)]
    return Fitted({"one_way": pack(merged)}, {"notes": [INDEPENDENT]})


def measure(
    data: PrivateTable, run: Run, *, share: float | None, source: torch.Generator, protection: Protection = NONE
) -> Learnt | Fitted:
    """Measure one-way tables, products and tables; fit the mixture.

    Args:
        data: Private codes.
        run: Told about phases.
        share: Of the Gaussian budget, for the tables; ``None`` for all that is left.
        source: For initial values.
        protection: Small groups that have a share of their own.

    Returns:
        What was learnt, or a finished model of independent columns where nothing more can be carried.
    """
    run.progress.phase("measuring one-way tables")
    first = one_way_share(data, None if share is None else share + protection.reserved)
    one_way, sd = map(list, zip(*measure_with_error(data, share=first), strict=True))
    rows, mu = float(data.rows.estimate), measurement_mu(data.ledger) / data.spread
    plan_share, places = share if share is not None else PLANNED_SHARE - protection.reserved, protection.places(data.domain)
    own = own_groups(one_way, sd, places)
    work = choose_workload(one_way, data.domain, rows=rows, mu=mu * math.sqrt(plan_share), own=own)
    if work.groups is None:
        return one_way_only(data, one_way, first, share)
    groups, view = work.groups, data.coarsen(work.groups.maps)
    coarse = groups.merge(one_way)
    run.progress.phase("measuring tables")
    products = measure_products(view, coarse, share=PRODUCT_SHARE, refine_share=REFINE_SHARE)
    tables, profiles = _ask_tables(view, work, share, protection)
    spread = [np.sqrt(np.bincount(m, weights=s**2)) for m, s in zip(groups.maps, sd, strict=True)]
    ones, _ = joined([Table(columns=(j,), shares=p, sd=spread[j]) for j, p in enumerate(coarse)], margins(profiles))
    profiles = [t for t in profiles if len(t.columns) > 1]
    plan = MixturePlan.for_budget(rows * mu)
    run.progress.spent(data.ledger.spent())
    run.progress.phase("clearing tables of noise")
    logs = torch.from_numpy(log_shares(coarse, int(rows))).float()
    cleared = denoise(tables, ones, groups.domain, work.split, view.public, profiles)
    evidence = Evidence(domain=groups.domain, rows=rows, tables=(*lifted(cleared, coarse, places), *ones))
    run.progress.phase("fitting the mixture", plan.steps)
    mixture = fit_mixture(evidence, logs, plan, split=work.split, source=source, advance=run.progress.advance)
    # from tables of every size at once, as the mixture smooths them and by precision alone: two errors that are little alike
    both = zip(mixture.one_way(groups.domain), pooled(tables, ones), strict=True)
    fitted = [(smooth + plain) / 2 for smooth, plain in both]
    ones = [replace(t, shares=p, sd=FITTED_SD * t.sd) for t, p in zip(ones, fitted, strict=True)]
    coarse, evidence = fitted, Evidence(domain=groups.domain, rows=rows, tables=(*tables, *profiles, *ones))
    notes = (*protection.notes(), *(() if work.full else (TARGET_ONLY,)))
    return Learnt(
        one_way=settle(one_way, groups, sd), groups=groups, coarse=coarse, evidence=evidence, products=products,
        mixture=mixture, view=view, notes=notes,
    )  # fmt: skip


def _ask_tables(
    view: PrivateTable, work: Workload, share: float | None, protection: Protection
) -> tuple[list[Table], list[Table]]:
    """The tables of the workload, with what protected groups got beside; and their columns against the target."""
    rows, names = float(view.rows.estimate), view.domain.names
    more = as_tables(view.domain, measure_groups(view, work, protection), rows)
    subsets = [tuple(names[j] for j in subset) for subset in work.subsets]
    if share is None:
        measured = view.noisy_marginals_with_rest(subsets, work.weights())
    else:
        measured = view.noisy_marginals(subsets, share=share, weights=work.weights())
    return joined(as_tables(view.domain, measured, rows), more)


def finish(
    learnt: Learnt, draw: Draw, rng: np.random.Generator, *, rake: bool = True
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Fit the multipliers on drawn rows, and gather what sampling needs beside the drawing itself.

    Args:
        learnt: What was measured.
        draw: Coarse codes, shape (rows, columns), for a number of rows.
        rng: For drawing.
        rake: Whether to fit multipliers; otherwise all rows weigh the same.

    Returns:
        Tensors and facts of the release.
    """
    domain = learnt.groups.domain
    drawn = draw(POOL, rng)
    pool = drawn[: pool_size(len(learnt.evidence.tables))]
    products = striking(learnt.products, pool, domain)
    features, multipliers = fit_multipliers(pool, learnt.evidence, products)
    multipliers = level(drawn, features, multipliers, learnt.evidence)
    if not rake:
        multipliers = torch.zeros_like(multipliers)
    kept = effective(features.weigh(pool, multipliers, domain))
    draws = 4 if kept < LEAST_EFFECTIVE or len(domain.names) <= FEW_COLUMNS else 2
    tensors: dict[str, Any] = {
        "one_way": pack(learnt.one_way),
        "coarse": pack(learnt.coarse),
        "groups": np.concatenate(learnt.groups.maps).astype(np.int32),
        "multipliers": multipliers.numpy(),
        **features.to_arrays(),
    }
    return tensors, {"draws_per_row": draws, "notes": list(learnt.notes), "in_order": list(domain.in_order)}
