r"""The best of a random number of runs: how often to run, and what that costs.

A mechanism Q that gives an answer with a score is run K times, and only the answer with the best score leaves. K follows the
truncated negative binomial distribution of Papernot and Steinke (2022, arXiv:2110.03620; Liu and Talwar 2019,
arXiv:1811.07971, for the geometric one): shape 0 is the logarithmic, shape 1 the geometric distribution. Nothing about K or
about the other runs may leave, or the bounds below are void.

*The bound* (the argument of Koskela, Redberg and Wang 2024, arXiv:2402.06701, with what runs before). Let f be the probability
generating function of K. In the order of scores, ties broken by chance, the answer y leaves with density
:math:`A(y) = Q(y) f'(q)`, where q is the chance of a worse answer; and

.. math:: f'(q) = f'(1) \gamma^{\eta + 1} (\gamma + (1 - \gamma)(1 - q))^{-\eta - 1}, \quad f'(1) = E[K].

If Q is :math:`(\epsilon_1, \delta_1)`-DP then :math:`1 - q' \le e^{\epsilon_1} (1 - q) + \delta_1` for a neighbouring table, so

.. math:: f'(q) \le e^c f'(q'), \quad c = (\eta + 1) \log(e^{\epsilon_1} + \delta_1 (1 - \gamma) / \gamma).

Let P be what ran before, on which Q may depend, and :math:`\delta(\epsilon)` the privacy curve of P and *one* run of Q.
Then :math:`P(p) A_p(y) - e^\epsilon P'(p) A'_p(y) \le f'(q) (P(p) Q_p(y) - e^{\epsilon - c} P'(p) Q'_p(y))`, and as
:math:`f' \le E[K]`, P and the best of all runs are :math:`(\epsilon, E[K] \delta(\epsilon - c))`-DP.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.optimize import brentq, minimize_scalar

from synth.errors import AccountingError
from synth.privacy.gaussian import gaussian_delta
from synth.privacy.randomness import Entropy

TAIL = 2.0**-60  # chance of more runs than are ever drawn; covered by the slack in ``budget``
MOST_RUNS = 1 << 20
MOST_MEAN = 1100.0  # beyond it more than ``MOST_RUNS`` would not be that rare, and a number cut off there hides nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetitions:
    """The distribution of the number of runs. Public; the number is not.

    Attributes:
        shape: Eta, 0 or from 0.001 to 100.
        gamma: In (0, 1); the smaller, the more runs.
    """

    shape: float = 0.0
    gamma: float

    def __post_init__(self) -> None:
        sound = (self.shape == 0 or 1e-3 <= self.shape <= 100) and 1e-5 <= self.gamma < 1
        if not sound or not self.mean <= MOST_MEAN:
            raise AccountingError(
                "a number of runs needs a shape of 0 or more, a gamma inside (0, 1), and a mean of a thousand at most"
            )

    @property
    def mean(self) -> float:
        """Expected number of runs."""
        if self.shape == 0:
            return (1 / self.gamma - 1) / math.log(1 / self.gamma)
        return float(self.shape * (1 - self.gamma) / (self.gamma * (1 - self.gamma**self.shape)))

    def generating(self, x: float) -> float:
        """The probability generating function: the chance that all runs miss, where one misses with chance ``x``."""
        rest = 1 - (1 - self.gamma) * x
        if self.shape == 0:
            return math.log(rest) / math.log(self.gamma)
        return float((rest**-self.shape - 1) / (self.gamma**-self.shape - 1))

    def shift(self, epsilon: float, delta: float) -> float:
        """How far the privacy curve of one run moves, where a run by itself is (epsilon, delta)-DP."""
        return (1 + self.shape) * math.log(math.exp(epsilon) + delta * (1 - self.gamma) / self.gamma)

    def nearest(self, mu: float) -> tuple[float, float]:
        """The point (epsilon, delta) of a ``mu``-GDP run with the least shift."""
        found = minimize_scalar(
            lambda e: self.shift(e, gaussian_delta(mu, e)), bounds=(0.0, 8 * max(mu, 1e-9)), method="bounded"
        )
        return float(found.x), gaussian_delta(mu, float(found.x))

    def draw(self, entropy: Entropy) -> int:
        """A number of runs. Private: it may not leave, nor be told by what leaves.

        Inverts the distribution at 64 secret bits; off by less than 1e-13 in total variation.
        """
        point = int.from_bytes(entropy(8), "little") * 2.0**-64
        likely = self._first()
        number, below = 1, likely
        while point >= below and likely > TAIL * self.gamma and number < MOST_RUNS:
            likely *= (1 - self.gamma) * (number + self.shape) / (number + 1)
            number, below = number + 1, below + likely
        return number

    def _first(self) -> float:
        """The chance of a single run."""
        if self.shape == 0:
            return (1 - self.gamma) / math.log(1 / self.gamma)
        return float(self.shape * (1 - self.gamma) / (self.gamma**-self.shape - 1))


def repetitions_for(mean: float) -> Repetitions:
    """The logarithmic distribution with so many runs on average: the least cost for a given mean."""
    if not 1.1 <= mean <= 1000:
        raise AccountingError("the average number of runs lies between 1.1 and 1000")
    found = brentq(lambda x: Repetitions(gamma=math.exp(x)).mean - mean, math.log(1e-4), math.log(0.999))
    return Repetitions(gamma=math.exp(found))
