"""All checks by name: what each attacks, and how it is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np

from evaluation.audit import cells, counts, minimum, persons, randomised, sites, structure, tries
from evaluation.audit.blackbox import Plan, black_box
from evaluation.audit.clipping import clipping
from evaluation.audit.families import OPTIONS, family_sighting, watched_fit
from evaluation.audit.interruption import interruption
from evaluation.audit.ledgers import DELTA
from evaluation.audit.probes import ProbePlan, probe, whole
from evaluation.audit.sightings import Finding, Sighting, is_contradicted, judge
from evaluation.audit.unit import entity_is_kept

Look = Callable[[np.random.Generator], Sighting]
Verify = Callable[[np.random.Generator], Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One attack.

    Attributes:
        name: Of the check.
        attacks: What is attacked, and what the attacker knows.
        look: Collects scores; or
        verify: decides by itself.
    """

    name: str
    attacks: str
    look: Look | None = None
    verify: Verify | None = None

    def contradicted(self, rng: np.random.Generator) -> bool:
        """The verdict alone, without bounds."""
        if self.look is not None:
            return is_contradicted(self.look(rng))
        return self.finding(rng).contradicted

    def finding(self, rng: np.random.Generator) -> Finding:
        """Verdict and bounds."""
        if self.look is not None:
            return judge(self.name, self.attacks, self.look(rng))
        if self.verify is None:
            raise ValueError("a check needs something to run")
        return self.verify(rng)


WHITE = "white box: the attacker knows all other rows and sees every noisy answer"
GRADIENTS = ProbePlan(epsilon=5.0, delta=DELTA, sample_rate=0.1, steps=20, side=200)
# many canaries for the rigorous bound; below half of the claim in 4 of a million runs of correct code (6 at epsilon 5)
ONE_RUN_1 = ProbePlan(epsilon=1.0, delta=DELTA, sample_rate=0.7, steps=2, side=600)
ONE_RUN_5 = ProbePlan(epsilon=5.0, delta=DELTA, sample_rate=0.4, steps=3, side=400)
AT_A_SITE = ProbePlan(epsilon=5.0, delta=DELTA, sample_rate=0.1, steps=20)
REFITS = Plan()

_LOOKS: tuple[tuple[str, str, Look], ...] = (
    ("gradients", "DP-SGD: clip, sum, noise, divide", partial(probe, GRADIENTS)),
    ("one run, epsilon 1", "DP-SGD in one run of many canaries", partial(probe, ONE_RUN_1)),
    ("one run, epsilon 5", "the same with more budget", partial(probe, ONE_RUN_5)),
    ("whole gradient", "one gradient over all rows", whole),
    ("tables", "one-way tables", counts.tables),
    ("pairs", "tables of two columns", counts.pairs),
    ("laplace tables", "tables with Laplace noise", counts.laplace_tables),
    ("products", "products of signs", counts.products),
    ("signed tables", "signed tables", counts.signed_tables),
    ("randomised words", "cells randomised at their source", randomised.words),
    ("randomised numbers", "numbers with noise at their source", randomised.numbers),
    ("minimizer", "weights of a convex model", minimum.minimizer),
    ("votes", "votes of teachers on disjoint parts", counts.votes),
    ("choices", "exponential mechanism", counts.choices),
    ("best of tries", "the best of a random number of tries", tries.best_of_tries),
    ("row count", "number of rows", cells.row_count),
    ("shared rows", "rows that are public as well", cells.shared_rows),
    ("kinds", "kinds of columns", cells.kinds),
    ("bounds", "bounds of numbers", cells.bounds),
    ("histogram", "histograms of several resolutions", cells.histogram),
    ("missing", "missing cells", cells.missing),
    ("roundness", "round values", cells.roundness),
    ("categories", "partition selection of categories", cells.categories),
    ("single numbers", "partition selection of numbers", cells.single_numbers),
    ("persons", "tables of persons with several rows", persons.person_tables),
    ("persons' gradients", "DP-SGD on persons with several rows", partial(persons.person_gradients, GRADIENTS)),
    ("sites", "tables of one of several sites, whose coordinator and other sites attack", sites.site_tables),
    ("sites' gradients", "DP-SGD at one of several sites, likewise", partial(sites.site_gradients, AT_A_SITE)),
)
_VERIFIES: tuple[tuple[str, str, Verify], ...] = (
    ("sampling", "Poisson sampling", structure.sampling),
    ("sensitivity", "one step, one row more", structure.sensitivity),
    ("fresh noise", "independence of all noise", structure.fresh_noise),
    ("every step", "noise at each step, steps as charged", structure.every_step),
    ("clipping", "rules for clipping, their count, an adaptive norm", clipping),
    ("sites' row count", "the row count of one of several sites, and a coordinator that cheats", sites.site_count),
    ("interruption", "a run that is interrupted and goes on", interruption),
    ("unit", "who is protected", entity_is_kept),
    ("refits", "the release alone", lambda rng: black_box(REFITS)),  # noqa: ARG005 - fits draw their own entropy
)

CHECKS = MappingProxyType(
    {name: Check(name=name, attacks=f"{what}; {WHITE}", look=look) for name, what, look in _LOOKS}
    | {name: Check(name=name, attacks=what, verify=verify) for name, what, verify in _VERIFIES}
)


def family_finding(model: str, rng: np.random.Generator, *, fits: int, advance: Callable[[], None] = lambda: None) -> Finding:
    """Audit a synthesizer as a whole.

    Args:
        model: Name in the registry.
        rng: Of the coins.
        fits: How many; every other one on ordinary rows that are all alike, which real losses would notice.
        advance: Called after each fit.
    """
    done = []
    for i in range(fits):
        done.append(watched_fit(model, rng, constant=i % 2 == 1))
        advance()
    found = judge(model, f"{model} as a whole; {WHITE}", family_sighting(done))
    undrawn = sum(fit.undrawn() for fit in done)
    detail = f"{fits} fits, {sum(f.log.answers for f in done)} answers scored"
    if undrawn:
        detail += f"; {undrawn} charged steps were not drawn, so when to stop was decided on rows"
    options = ", ".join(f"{k} = {v}" for k, v in OPTIONS.get(model, {}).items())
    facts = found.to_dict() | {
        "contradicted": found.contradicted or undrawn > 0,
        "detail": detail + (f"; {options}" if options else ""),
    }
    return Finding(**facts)
