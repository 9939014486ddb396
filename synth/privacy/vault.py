"""The doors to the rows. Every method that returns something about them charges the ledger first.

``PrivateTable`` holds codes and is what models get; ``synth.privacy.frame`` holds raw cells while their domain is learnt.
Neither can be printed, pickled, copied, measured or iterated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from synth.errors import AccountingError
from synth.privacy import exact
from synth.privacy.accounting import calibrate_noise
from synth.privacy.ballot import Ballot, asked, check_ballot, noisy_votes, vote_event
from synth.privacy.budget import RowCount, room_for
from synth.privacy.choice import Guess, check_guesses, fold_domain
from synth.privacy.codes import Codes
from synth.privacy.events import Event, GaussianEvent, SelectionEvent
from synth.privacy.geometric import geometric_std
from synth.privacy.laplace import laplace_tables
from synth.privacy.ledger import Ledger
from synth.privacy.mechanisms import exact_whole, exponential_choice, spread
from synth.privacy.minimizer import RidgePlan, check_ridge, noisy_weights, ridge_event
from synth.privacy.randomness import Entropy, os_entropy
from synth.privacy.sealed import Sealed
from synth.privacy.shares import Measurement, rest_share, sigma_for, split_sigmas
from synth.privacy.signs import SignProduct, SignQuery, check_products, check_queries, said, signs_event
from synth.privacy.units import PrivacyUnits
from synth.table import Domain, EncodedTable

if TYPE_CHECKING:
    import torch

    from synth.privacy.dpsgd import Batch, NoisyGradient, RowLoss, SgdPlan

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Subsets = Sequence[tuple[str, ...]]
Answer = Sequence[npt.NDArray[Any]]
TableNoise = Callable[[list[IntArray], PrivacyUnits, Entropy], Answer]
Recode = Callable[[Codes], Codes]


class PrivateTable(Sealed):
    """Codes behind a ledger: what a synthesizer fits.

    Attributes:
        domain: Public names and sizes.
        rows: Public (declared or paid) number of units: rows, or entities.
        ledger: Of this run.
        measured: Noisy one-way tables that preparing the codes already paid for.
        merged: Digest of the public maps that merged the codes; empty where none did.
        public: Codes of public rows of the same columns, where there are some.
        number: Whether the target may be a number, by declared facts alone; ``None`` where the domain itself is declared.
        spread: Standard deviation of an answer's noise, in the one that is charged; above 1 where sites add up.
    """

    __slots__ = (
        "__codes", "__entropy", "__units", "domain", "ledger", "measured", "merged", "number", "public", "rows", "spread",
    )  # fmt: skip

    def __init__(
        self,
        codes: npt.NDArray[np.integer] | Codes,
        domain: Domain,
        rows: RowCount,
        ledger: Ledger,
        measured: Sequence[Measurement] = (),
        entropy: Entropy = os_entropy,
        units: PrivacyUnits | None = None,
    ) -> None:
        """Take codes in, of shape (n, d) where they are an array, each column below its size.

        Every row is a unit where no ``units`` are given.
        """
        self.__codes = codes if isinstance(codes, Codes) else Codes.of(codes, domain.sizes)
        if self.__codes.sizes != domain.sizes:
            raise AccountingError("codes must have one column per name of the domain")
        self.__entropy = entropy
        self.__units = units if units is not None else PrivacyUnits(self.__codes.exact_rows)
        self.domain, self.rows, self.ledger, self.measured = domain, rows, ledger, tuple(measured)
        self.merged, self.spread = "", spread(entropy)
        self.public: EncodedTable | None = None
        self.number: bool | None = None

    def noisy_marginals(
        self, subsets: Sequence[tuple[str, ...]], *, share: float, weights: Sequence[float] | None = None, aim: str = ""
    ) -> list[Measurement]:
        """Noisy contingency tables, one per subset of columns, for ``share`` of the Gaussian budget in all.

        Args:
            subsets: Column names of each table.
            share: Of the squared Gaussian budget.
            weights: How the share is split over the tables, positive; evenly by default.
            aim: What the tables are for, where the card shall tell it.

        Returns:
            One measurement per subset, counts of shape ``sizes[subset]``.

        Raises:
            RefusedError: The ledger does not grant it.
        """
        sigmas = split_sigmas(self.ledger, share, len(subsets), weights)
        what = aim or ("one-way table" if all(len(s) == 1 for s in subsets) else "table")
        pairs = list(zip(subsets, sigmas, strict=True))
        events = [GaussianEvent(what=what, target=tuple(names), sigma=sigma) for names, sigma in pairs]

        def noise(tables: list[IntArray], units: PrivacyUnits, entropy: Entropy) -> list[FloatArray]:
            return [units.noisy(table, sigma=sigma, entropy=entropy) for table, sigma in zip(tables, sigmas, strict=True)]

        found = self.ask_tables(subsets, events, noise)
        return [
            Measurement(names=tuple(names), counts=noisy, sigma=np.asarray(sigma * self.spread))
            for (names, sigma), noisy in zip(pairs, found, strict=True)
        ]

    def noisy_products(self, products: Sequence[SignProduct], *, share: float) -> tuple[FloatArray, float]:
        """Noisy sums over rows of products of signs, for ``share`` of the Gaussian budget in all.

        A unit moves each of the m sums by at most 1, so all of them by at most sqrt(m).

        Returns:
            Sums, shape (m,), and their standard deviation.
        """
        check_products(products, self.domain)
        event = signs_event("products of signs", len(products), sigma_for(self.ledger, share))

        def draw() -> list[FloatArray]:
            exact_sums = exact.exact_products(self.__codes, products, self.__units.exact_weights())
            return [self.__units.noisy(exact_sums, sigma=event.sigma, entropy=self.__entropy)]

        (sums,) = self.ledger.ask(event, draw=draw, about=self._about(*map(said, products)))
        return sums, event.sigma * self.spread

    def noisy_signed_tables(self, queries: Sequence[SignQuery], *, share: float) -> tuple[list[FloatArray], float]:
        """For each query, the noisy sums of a product of signs over the rows of each code of one more column.

        A unit moves the cells of a query's table by at most 1 together, so q tables by at most sqrt(q).

        Returns:
            One array per query, shape (codes of its column,), and the standard deviation of every cell.
        """
        check_queries(queries, self.domain)
        event = signs_event("signed tables", len(queries), sigma_for(self.ledger, share))

        def draw() -> list[FloatArray]:
            exact_sums = exact.exact_signed_tables(self.__codes, queries, self.__units.exact_weights())
            return [self.__units.noisy(sums, sigma=event.sigma, entropy=self.__entropy) for sums in exact_sums]

        about = self._about(*((said(product), column) for product, column in queries))
        return list(self.ledger.ask(event, draw=draw, about=about)), event.sigma * self.spread

    def noisy_marginals_with_rest(
        self, subsets: Sequence[tuple[str, ...]], weights: Sequence[float] | None = None
    ) -> list[Measurement]:
        """The same for everything that is left, after which the budget is spent."""
        return self.noisy_marginals(subsets, share=rest_share(self.ledger), weights=weights)

    def noisy_laplace_tables(self, subsets: Sequence[tuple[str, ...]], *, scale: float | None = None) -> list[Measurement]:
        """Tables with Laplace noise on whole numbers of one scale; by default as small as all that is left allows."""
        budget, delta = self.ledger.budget, self.ledger.working_delta
        events = laplace_tables(self.ledger.events, subsets, epsilon=budget.epsilon, delta=delta, scale=scale)

        def noise(tables: list[IntArray], units: PrivacyUnits, entropy: Entropy) -> list[FloatArray]:
            return [units.laplace(table, scale=e.scale, entropy=entropy) for table, e in zip(tables, events, strict=True)]

        found = self.ask_tables(subsets, events, noise)
        sd = np.asarray(geometric_std(events[0].scale) * self.spread)
        return [Measurement(names=tuple(n), counts=c, sigma=sd) for n, c in zip(subsets, found, strict=True)]

    def noisy_gradients(self, module: torch.nn.Module, loss: RowLoss, plan: SgdPlan) -> NoisyGradient:
        """DP-SGD with all that is left of the budget.

        Charges ``plan.steps`` noisy sums at once, then hands out an object whose ``step()`` draws one of them.

        Args:
            module: Network whose trainable parameters get gradients.
            loss: ``loss(module, codes, normals)`` with codes of shape (batch, d), int64, returns the loss of each row,
                shape (batch,). The one callback that sees rows: it stores, logs and branches on nothing. Randomness
                comes from ``normals(shape)``, standard normal draws from secret entropy, first axis the rows.
            plan: Steps, rate and clipping norm: functions of public or paid figures.

        Raises:
            RefusedError: Nothing is left, or the noise would drown every signal.
        """
        from synth.privacy.dpsgd import NoisyGradient, check_signal
        from synth.privacy.layers import shapes

        epsilon, delta, rate = self.ledger.budget.epsilon, self.ledger.working_delta, plan.sample_rate
        event = calibrate_noise(self.ledger.events, sample_rate=rate, steps=plan.steps, epsilon=epsilon, delta=delta)
        check_signal(module, plan, event.noise_multiplier * self.spread, epsilon)
        self.ledger.announce(event, about=self._about(plan, shapes(module)))
        room, draw = room_for(self.rows, rate, self.__units.cap), partial(self._exact_batch, rate)
        return NoisyGradient(module, loss, plan, event.noise_multiplier, draw, self.__entropy, self.ledger.count_steps(), room)

    def noisy_gradient(
        self, module: torch.nn.Module, loss: RowLoss, *, max_grad_norm: float, share: float
    ) -> tuple[FloatArray, float]:
        """One noisy mean of all rows' clipped gradients, shape (parameters,), and its noise; see ``noisy_gradients``."""
        from synth.privacy import layers, whole

        plan = whole.whole_plan(self.rows, max_grad_norm, self.__units.cap)
        event = whole.gradient_event(module, max_grad_norm, sigma_for(self.ledger, share))
        room, batch = room_for(self.rows, plan.sample_rate, self.__units.cap), partial(self._exact_batch, plan.sample_rate)
        draw = lambda: [whole.one_gradient(module, loss, plan, event, batch, self.__entropy, room)]  # noqa: E731
        (mean,) = self.ledger.ask(event, draw=draw, about=self._about(plan, layers.shapes(module)))
        return mean, event.sigma * self.spread / plan.divisor

    def noisy_minimizer(self, plan: RidgePlan, *, share: float) -> FloatArray:
        """Weights of a convex model with noise, shape ``shape_of(plan, domain)``, for ``share`` of the Gaussian budget."""
        check_ridge(plan, self.domain, self.rows, self.__entropy, self.__units.cap)
        event = ridge_event(plan, self.domain, sigma_for(self.ledger, share))
        draw = lambda: [noisy_weights(self.__codes, self.__units, plan, event, self.__entropy)]  # noqa: E731
        (weights,) = self.ledger.ask(event, draw=draw, about=self._about(plan))
        return weights

    def noisy_votes(self, ballot: Ballot) -> tuple[IntArray, float]:
        """Votes of teachers on disjoint parts, shape (questions, counted), and their noise; for all that is left."""
        check_ballot(ballot, self.domain)
        event = vote_event(ballot, self.domain, sigma_for(self.ledger, rest_share(self.ledger)))
        draw = lambda: [noisy_votes(self.__codes, ballot, self.__units, event, self.__entropy)]  # noqa: E731
        (votes,) = self.ledger.ask(event, draw=draw, about=self._about(asked(ballot)))
        return votes, event.sigma

    def choose_table(
        self, guesses: Sequence[Guess], *, weights: Sequence[float], biases: Sequence[float], epsilon: float
    ) -> int:
        """Which table the guesses miss most: exponential mechanism on ``weight * |table - guess|_1 + bias``.

        Args:
            guesses: Columns and public counts of shape ``sizes[columns]``, one per candidate.
            weights: Public, > 0. A unit moves a distance by at most 1, so the largest weight is the sensitivity.
            biases: Public, in weighted rows; for the noise a measurement would bring.
            epsilon: Range of the privacy loss; costs ``epsilon^2 / 8`` of zCDP.
        """
        check_guesses(guesses, weights, biases, self.domain)
        event, most = SelectionEvent(what="choice of a table", epsilon=epsilon), Fraction(max(weights))

        def noise(tables: list[IntArray], units: PrivacyUnits, entropy: Entropy) -> list[IntArray]:
            wholes = [exact_whole(table, entropy) for table in tables]
            exact_gaps = (exact.exact_gap(t, guess, units.scale) for t, (_, guess) in zip(wholes, guesses, strict=True))
            exact_scores = [Fraction(w) * gap + Fraction(b) for w, b, gap in zip(weights, biases, exact_gaps, strict=True)]
            return [np.array([exponential_choice(exact_scores, sensitivity=most, epsilon=epsilon, entropy=entropy)])]

        subsets = [names for names, _ in guesses]
        (place,) = self.ask_tables(subsets, [event], noise, subsets)
        return int(place[0])

    def coarsen(self, groups: Sequence[IntArray]) -> PrivateTable:
        """The same rows with codes merged by public maps, one per column. Releases nothing, costs nothing."""
        domain = fold_domain(self.domain, groups)
        public = None if self.public is None else self.public.merged(domain, groups)
        digest = hashlib.sha256(b"".join([self.merged.encode(), *(g.tobytes() for g in groups)])).hexdigest()
        return self.seen(domain, lambda codes: codes.merged(groups), public, digest)

    def seen(
        self, domain: Domain, recode: Recode, public: EncodedTable | None, merged: str, ledger: Ledger | None = None
    ) -> PrivateTable:
        """The same units in other codes, each row's a function of its own, or behind another ledger (``views``)."""
        book = self.ledger if ledger is None else ledger
        seen = PrivateTable(recode(self.__codes), domain, self.rows, book, (), self.__entropy, self.__units)
        seen.public, seen.merged, seen.number = public, merged, self.number
        return seen

    def ask_tables(self, subsets: Subsets, events: Sequence[Event], noise: TableNoise, about: Iterable[object] = ()) -> Answer:
        """Charge events, then give exact tables to a function that adds their noise. For doors alone: its answer leaves."""

        def draw() -> Answer:
            return noise(self._exact_tables(subsets), self.__units, self.__entropy)

        return self.ledger.ask(*events, draw=draw, about=self._about(*about))

    def _exact_batch(self, rate: float) -> Batch:
        rows, weights = self.__units.exact_sample(rate, self.__entropy)
        return self.__codes.take(rows), weights

    def _about(self, *more: object) -> str:
        """What a question means beside its events: on which codes it is asked, and ``more``. Public, short."""
        return hashlib.sha256(repr((self.domain, self.merged, more)).encode()).hexdigest()

    def _exact_tables(self, subsets: Sequence[tuple[str, ...]]) -> list[IntArray]:
        index = [tuple(self.domain.names.index(name) for name in names) for names in subsets]
        return exact.exact_tables(self.__codes, index, self.__units.exact_weights())
