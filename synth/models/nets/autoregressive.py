"""Columns in turn, the target last: each a softmax of a bias and a masked linear map of the columns before it.

Ordered columns enter and leave in a smooth basis (cosines, low frequencies scaled up), so that gradient steps move
neighbouring codes together: noise of DP-SGD then mostly falls on few smooth directions. The target also sees products of
pairs of columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import qmc
from torch import Tensor, nn

from synth.models.given import FREE, Given
from synth.models.nets.tabular import column_of, draw_given, matching_bias
from synth.privacy.layers import OneHotLinear
from synth.table import Domain

FloatArray = npt.NDArray[np.float64]

SMOOTH_FREQUENCY = 3.0  # frequency at which a cosine's energy is half that of a constant
MANY = 1 << 17
MAX_SCORES = 32  # functions of single columns whose products the target sees


class Autoregressive(nn.Module):
    """Logits of every code given the codes of the columns drawn before.

    Attributes:
        bias: Shape (width,); public, not trained by DP-SGD.
        scores: Functions of single columns, shape (width, scores); their products over two columns feed the target.
    """

    bias: Tensor
    scores: Tensor

    def __init__(self, domain: Domain, bias: Tensor, scores: Tensor | None = None, *, smooth: bool = True) -> None:
        """Start at the independent columns that ``bias`` (width,) describes.

        Args:
            domain: Of the codes.
            bias: Logarithms of the distributions of all columns, end to end.
            scores: See the class.
            smooth: Whether ordered columns pass through scaled cosines.
        """
        super().__init__()
        self.sizes, self.offsets, self.order = list(domain.sizes), torch.tensor(domain.offsets), draw_order(domain)
        self.register_buffer("bias", bias.clone())
        self.register_buffer("scores", torch.zeros(len(bias), 0) if scores is None else scores)
        self.bases = smooth_bases(domain) if smooth else [torch.eye(size) for size in domain.sizes]
        whole = torch.block_diag(*self.bases) if smooth else None  # type: ignore[no-untyped-call]
        self.mask = draw_mask(domain)
        self.skip = OneHotLinear(column_of(domain.sizes), len(bias), mask=self.mask, basis=whole)
        owner = [int(column_of(domain.sizes)[int(s.nonzero()[0, 0])]) for s in self.scores.T]
        pairs = [(a, b) for a, b in combinations(range(len(owner)), 2) if owner[a] != owner[b]]
        self.first, self.second = (torch.tensor([p[side] for p in pairs], dtype=torch.long) for side in (0, 1))
        self.target = self.order[-1] if pairs else -1
        self.products = nn.Linear(len(pairs), self.sizes[self.target], bias=False) if pairs else None
        if self.products is not None:
            nn.init.zeros_(self.products.weight)
            self.scale = (len(self.sizes) / len(pairs)) ** 0.5

    def forward(self, codes: Tensor) -> Tensor:
        """Negative log likelihood of each row, shape (rows,), in nats."""
        return self.losses(codes)

    def losses(self, codes: Tensor, *, apart: bool = False) -> Tensor:
        """The same, of all columns but the last where that is learnt ``apart``."""
        chosen = []
        for j, logits in enumerate(self.logits(codes)):
            if apart and j == self.order[-1]:
                continue
            chosen.append(logits.gather(1, codes[:, j : j + 1])[:, 0] - logits.logsumexp(1))
        losses: Tensor = -torch.stack(chosen, 1).sum(1)
        return losses

    def logits(self, codes: Tensor) -> list[Tensor]:
        """Logits of every column's codes given the columns before it, shape (rows, size) each."""
        parts = list(torch.split(self.skip(codes + self.offsets), self.sizes, 1))
        if self.products is not None:
            parts[self.target] = parts[self.target] + self.products(self.pairs(codes))
        triples = zip(parts, torch.split(self.bias, self.sizes), self.bases, strict=True)
        return [bias + part @ basis.T for part, bias, basis in triples]

    def pairs(self, codes: Tensor) -> Tensor:
        """Products of scores of the columns before the target, shape (rows, pairs)."""
        seen = [j for j in range(len(self.sizes)) if j != self.target]
        scores = self.scores[codes[:, seen] + self.offsets[seen]].sum(1)
        pairs: Tensor = scores[:, self.first] * scores[:, self.second] * self.scale
        return pairs

    @torch.no_grad()
    def draw_rows(self, uniforms: Tensor, targets: Sequence[Tensor] | None = None) -> Tensor:
        """Codes, shape (rows, columns), from uniform numbers of the same shape.

        With ``targets`` (one distribution per column) each output bias is first moved so that the column's mean
        probability, given the columns drawn before it, is its target.
        """
        return self._walk(uniforms, targets, (FREE,) * len(self.sizes))[0]

    @torch.no_grad()
    def draw_where(self, uniforms: Tensor, given: Sequence[Given]) -> tuple[Tensor, Tensor]:
        """The same under conditions: codes, and the logarithm of each row's weight, shape (rows,)."""
        return self._walk(uniforms, None, given)

    def _walk(self, uniforms: Tensor, targets: Sequence[Tensor] | None, given: Sequence[Given]) -> tuple[Tensor, Tensor]:
        logits, mass = self.bias.repeat(len(uniforms), 1), torch.zeros(len(uniforms))
        basis = torch.block_diag(*self.bases)  # type: ignore[no-untyped-call]
        weight = self.skip.table() @ basis.T
        codes = torch.zeros(uniforms.shape, dtype=torch.long)
        for j in self.order:
            low, high = int(self.offsets[j]), int(self.offsets[j]) + self.sizes[j]
            if self.products is not None and j == self.target:
                logits[:, low:high] += self.products(self.pairs(codes)) @ self.bases[j].T
            if targets is not None:
                shift = matching_bias(logits[:, low:high], targets[j])
                self.bias[low:high] += shift
                logits[:, low:high] += shift
            codes[:, j], more = draw_given(logits[:, low:high].softmax(1), uniforms[:, j], given[j])
            mass = mass + more
            logits += weight[codes[:, j] + low]
        return codes, mass


def smooth_bases(domain: Domain) -> list[Tensor]:
    """From codes to features and from outputs to logits, shape (size, size) per column.

    Scaled cosines for ordered codes, the identity elsewhere.
    """
    bases = []
    for size, n in zip(domain.sizes, domain.in_order or (0,) * len(domain.sizes), strict=True):
        basis = np.eye(size)
        if n > 2:
            basis[:n, :n] = cosines(n) * np.sqrt(_energy(n))
        bases.append(torch.from_numpy(basis).float())
    return bases


def cosines(n: int) -> FloatArray:
    """Orthonormal cosines on n points, one per column, slowest first."""
    waves = np.cos(np.pi * np.outer(np.arange(n) + 0.5, np.arange(n)) / n)
    return np.asarray(waves / np.linalg.norm(waves, axis=0), dtype=np.float64)


def _energy(n: int) -> FloatArray:
    energy = 1 / (1 + (np.arange(n) / SMOOTH_FREQUENCY) ** 2)
    return np.asarray(energy * n / energy.sum(), dtype=np.float64)


def draw_order(domain: Domain) -> list[int]:
    """Columns as they are drawn: as in the schema, the target last."""
    target = domain.names.index(domain.target) if domain.target is not None else -1
    rest = [j for j in range(len(domain.sizes)) if j != target]
    return rest if target < 0 else [*rest, target]


def draw_mask(domain: Domain) -> Tensor:
    """Which one-hot inputs an output may see, shape (width, width)."""
    rank = torch.empty(len(domain.sizes), dtype=torch.long)
    rank[torch.tensor(draw_order(domain))] = torch.arange(len(domain.sizes))
    of_code = rank[column_of(domain.sizes)]
    return (of_code[None, :] < of_code[:, None]).float()


def target_scores(domain: Domain, one_way: Sequence[FloatArray], association: Sequence[FloatArray | None]) -> Tensor:
    """Functions of single columns for products: two slow cosines of an ordered one, else its codes by their target.

    Args:
        domain: Of the codes.
        one_way: Distribution of every column.
        association: For every column but the target, a noisy mean of something about the target by code, shape (size,).

    Returns:
        Shape (width, scores); each has mean 0 and variance 1 under its column's distribution.
    """
    found: list[tuple[float, FloatArray]] = []
    for j, means in enumerate(association):
        if means is None:
            continue
        n = domain.in_order[j] if domain.in_order else 0
        raw = [np.append(c, np.zeros(domain.sizes[j] - n)) for c in cosines(n)[:, 1:3].T] if n > 2 else [means]
        for score in raw:
            p = one_way[j]
            centred = score - (p @ score)
            spread = np.sqrt(p @ centred**2)
            if spread > 1e-6:
                whole = np.zeros(domain.width)
                whole[domain.offsets[j] : domain.offsets[j] + domain.sizes[j]] = np.clip(centred / spread, -3, 3)
                found.append((abs(float(p @ (centred / spread * (means - p @ means)))), whole))
    best = sorted(found, key=lambda item: -item[0])[:MAX_SCORES]
    return torch.from_numpy(np.stack([w for _, w in best], 1) if best else np.zeros((domain.width, 0))).float()


def even_uniforms(rows: int, columns: int, rng: np.random.Generator) -> Tensor:
    """Scrambled Sobol points in random order, shape (rows, columns): uniform, and spread more evenly than chance would.

    Low-order tables of what is drawn from them are closer to the model's than those of independent draws (Owen 1998). More
    than ``MANY`` rows get independent numbers, which are as good there and cheaper.
    """
    if rows > MANY:
        return torch.from_numpy(rng.random((rows, columns), dtype=np.float32))
    power = max(int(np.ceil(np.log2(max(rows, 2)))), 1)
    points = qmc.Sobol(columns, scramble=True, rng=rng).random_base2(power)
    chosen = torch.from_numpy(points[rng.permutation(len(points))[:rows]]).float()
    return chosen.clamp_max(1 - 2**-24)  # what single precision would round up to 1
