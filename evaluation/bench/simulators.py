"""Simulated tables with a known truth: each is a function of a seed that gives training rows, test rows and a schema.

The schemas' bounds are facts about the simulator, not about the rows it drew.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, ndtr, ndtri

from synth.schema import Column, Kind, Schema

FloatArray = npt.NDArray[np.float64]
Split = tuple[pd.DataFrame, pd.DataFrame, Schema]
TRAIN, TEST = 20_000, 10_000
FLIPPED = 0.02  # labels of the parities
LIMIT = 6.0  # standard deviations that count as possible
MOST = 10_000_000  # of an amount of money
ZIPS = 70


def number(name: str, low: float, high: float, precision: int | None = None) -> Column:
    """A column of numbers: whole ones, or with ``precision`` digits."""
    kind = Kind.INTEGER if precision is None else Kind.DECIMAL
    return Column(name=name, kind=kind, bounds=(low, high), precision=precision, nullable=False)


def choice(name: str, categories: tuple[str, ...], *, ordered: bool = False) -> Column:
    """A column of declared categories."""
    return Column(name=name, kind=Kind.ORDINAL if ordered else Kind.CATEGORY, categories=categories, nullable=False)


def _split(frame: pd.DataFrame, columns: list[Column], name: str, target: str, n_train: int = TRAIN) -> Split:
    schema = Schema(columns=tuple(columns), target=target, name=name)
    rows = frame[list(schema.names)]
    return rows.iloc[:n_train].reset_index(drop=True), rows.iloc[n_train:].reset_index(drop=True), schema


def _label(rng: np.random.Generator, logit: FloatArray) -> npt.NDArray[np.str_]:
    return np.where(rng.random(len(logit)) < expit(logit), "yes", "no")


def parity(seed: int, quantile: float = 0.5) -> Split:
    """Six independent normals; the label is the parity of the first three being above their quantile, 2 % flipped.

    No pair of columns and no two columns with the label tell anything: only the four together do.
    """
    rng = np.random.default_rng([1, seed])
    names = [f"x{i}" for i in range(1, 7)]
    values = np.round(rng.normal(size=(TRAIN + TEST, 6)).clip(-LIMIT, LIMIT), 4)
    odd = (values[:, :3] > ndtri(quantile)).sum(axis=1) % 2 == 1
    frame = pd.DataFrame(values, columns=names)
    frame["label"] = np.where(odd ^ (rng.random(len(odd)) < FLIPPED), "yes", "no")
    columns = [*(number(name, -LIMIT, LIMIT, 4) for name in names), choice("label", ("no", "yes"))]
    return _split(frame, columns, "parity" if quantile == 0.5 else "parity_off", "label")


def parity_off(seed: int) -> Split:
    """The parity with thresholds at the .3 quantiles, where bins cut at the middle do not help."""
    return parity(seed, 0.3)


def _correlated(rng: np.random.Generator, n_rows: int, n_columns: int, n_factors: int, noise: float) -> FloatArray:
    """Standard normals with a random dense correlation matrix, shape (n_rows, n_columns)."""
    loads = rng.normal(size=(n_columns, n_factors))
    covariance = loads @ loads.T + noise * np.eye(n_columns)
    scale = np.sqrt(np.diag(covariance))
    return np.asarray(rng.multivariate_normal(np.zeros(n_columns), covariance / np.outer(scale, scale), size=n_rows))


def copula(seed: int) -> Split:
    """A dense Gaussian copula of twelve columns, eight log-normal; a binary target that is no linear function of them."""
    rng = np.random.default_rng([2, seed])
    z = _correlated(rng, TRAIN + TEST, 12, 5, 0.4)
    frame, columns = pd.DataFrame(), []
    for j in range(8):
        mean, sigma = float(rng.uniform(0, 6)), float(rng.uniform(0.4, 1.2))
        most = float(np.ceil(np.exp(mean + LIMIT * sigma)))
        frame[f"amount{j + 1}"] = np.round(np.exp(mean + sigma * z[:, j]), 2).clip(0, most)
        columns.append(number(f"amount{j + 1}", 0.0, most, 2))
    for j in (8, 9):
        frame[f"normal{j - 7}"] = np.round(z[:, j].clip(-LIMIT, LIMIT), 3)
        columns.append(number(f"normal{j - 7}", -LIMIT, LIMIT, 3))
    frame["share"] = np.round(ndtr(z[:, 10]), 3)
    frame["grade"] = (np.searchsorted([-1.5, -0.5, 0.3, 1.2], z[:, 11]) + 1).astype(str)
    columns += [number("share", 0.0, 1.0, 3), choice("grade", ("1", "2", "3", "4", "5"), ordered=True)]
    logit = 2.0 * z[:, 0] * z[:, 8] + 2.0 * np.sin(2 * z[:, 3]) + 1.5 * (np.abs(z[:, 10]) - 0.8) + z[:, 5]
    frame["target"] = _label(rng, logit)
    return _split(frame, [*columns, choice("target", ("no", "yes"))], "copula", "target")


def heavy(seed: int) -> Split:
    """Money: mostly zero, with Pareto tails and round amounts, hanging together with categories and a target."""
    rng = np.random.default_rng([3, seed])
    n = TRAIN + TEST
    wealth, risk = rng.normal(size=(2, n))
    regions = tuple(f"region {c}" for c in "ABCDEFGH")
    frame = pd.DataFrame({"age": (18 + 72 * rng.beta(2, 3, n)).astype(int)})
    frame["region"] = np.array(regions)[np.clip(np.round(3.5 + 1.5 * wealth + rng.normal(size=n)), 0, 7).astype(int)]
    cut = np.searchsorted([-1.2, 0.0, 0.9], 0.8 * wealth + 0.4 * risk + 0.5 * rng.normal(size=n))
    segments = ("basic", "plus", "gold", "private")
    frame["segment"] = np.array(segments)[cut]
    frame["status"] = np.where(rng.random(n) < expit(2 * risk - 2), "late", np.where(cut > 1, "good", "plain"))
    money, logit = [], 1.2 * risk - 1.0 + 0.4 * (frame["region"] == regions[2]).to_numpy()
    for j, zeros in enumerate(np.linspace(0.3, 0.9, 8)):
        driver = (0.7 * wealth if j % 2 == 0 else 0.7 * risk) + 0.3 * rng.normal(size=n)
        level = driver / np.sqrt(0.58)
        above = np.maximum((ndtr(level) - zeros) / (1 - zeros), 0)  # a uniform for the share that is not zero
        amount = np.where(level > ndtri(zeros), 400 * (1 - above).clip(1e-9) ** (-1 / (1.2 + 0.15 * j)), 0)
        heaped = rng.random(n) < 0.6
        amount = np.where(heaped, np.where(amount > 0, np.maximum(np.round(amount / 100), 1) * 100, 0), np.round(amount))
        frame[f"money{j + 1}"] = amount.clip(0, MOST).astype(np.int64)
        money.append(number(f"money{j + 1}", 0, MOST))
        logit = logit + (0.25 if j % 2 else -0.25) * np.log1p(amount) / np.log(10) * (1 if j < 4 else 2 * (cut > 1))
    frame["target"] = _label(rng, np.asarray(logit))
    columns = [number("age", 18, 90), choice("region", regions), choice("segment", segments, ordered=True),
               choice("status", ("plain", "good", "late")), *money, choice("target", ("no", "yes"))]  # fmt: skip
    return _split(frame, columns, "heavy", "target")


def wide60(seed: int) -> Split:
    """Sixty columns in twelve clusters of five kinds; columns of a cluster hang together, clusters do not."""
    rng = np.random.default_rng([4, seed])
    n = TRAIN + TEST
    frame, columns, logit = {}, [], np.zeros(n)
    for cluster in range(12):
        z = _correlated(rng, n, 5, 2, 0.5)
        a = f"c{cluster + 1}_"
        frame[a + "level"] = np.round(z[:, 0].clip(-LIMIT, LIMIT), 2)
        frame[a + "count"] = np.minimum(np.floor(np.exp(1 + z[:, 1])), 2000).astype(int)
        frame[a + "kind"] = np.array(list("uvwxyz"))[np.searchsorted([-1.4, -0.6, 0.0, 0.5, 1.3], z[:, 2])]
        frame[a + "flag"] = np.where(z[:, 3] > rng.uniform(-1, 1.5), "yes", "no")
        columns += [number(a + "level", -LIMIT, LIMIT, 2), number(a + "count", 0, 2000),
                    choice(a + "kind", tuple("uvwxyz")), choice(a + "flag", ("no", "yes"))]  # fmt: skip
        if cluster < 11:  # the target takes the place of the last one
            frame[a + "paid"] = np.round(np.where(z[:, 4] > 0, np.exp(3 + z[:, 4]), 0), 2).clip(0, 10_000)
            columns.append(number(a + "paid", 0.0, 10_000.0, 2))
        if cluster < 4:
            logit += 1.2 * z[:, 0] * z[:, 2] + 0.8 * z[:, 4]
    frame["target"] = _label(rng, logit)
    return _split(pd.DataFrame(frame), [*columns, choice("target", ("no", "yes"))], "wide60", "target")


def _houses_frame(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, FloatArray, tuple[str, ...]]:
    """Houses without their prices, the log of their land's worth, and all zipcodes."""
    centres = np.column_stack([rng.uniform(47.2, 47.75, ZIPS), rng.uniform(-122.5, -121.6, ZIPS)])
    zips = tuple(str(98001 + 2 * i) for i in range(ZIPS))
    at = rng.choice(ZIPS, n, p=rng.dirichlet(np.full(ZIPS, 4.0)))
    lat, long = (centres[at] + rng.normal(size=(n, 2)) * [0.03, 0.05]).T
    land = 0.9 * np.exp(-((lat - 47.62) ** 2 / 0.012 + (long + 122.25) ** 2 / 0.03)) + 0.25 * np.sin(14 * lat + 9 * long)
    land += rng.normal(0, 0.12, ZIPS)[at]
    size = rng.normal(size=n)
    living = np.exp(7.55 + 0.4 * size + 0.1 * rng.normal(size=n))
    grade = np.clip(np.round(7.4 + 1.0 * size + 0.4 * land + 0.6 * rng.normal(size=n)), 1, 13)
    built = np.round(2015 - 115 * rng.beta(1.3, 2.0, n) + 4 * size).clip(1900, 2015)
    basement = np.where(rng.random(n) < 0.39, np.round(living * rng.uniform(0.15, 0.5, n) / 10) * 10, 0)
    water = rng.random(n) < np.where(land > 0.5, 0.02, 0.004)
    days = rng.integers(0, 390, n)
    frame = pd.DataFrame({
        "date": (np.datetime64("2014-05-02") + days).astype(str),
        "bedrooms": np.clip(np.round(3.3 + 0.6 * size + 0.6 * rng.normal(size=n)), 0, 11).astype(int),
        "bathrooms": np.clip(np.round(4 * (2.1 + 0.55 * size + 0.35 * rng.normal(size=n))) / 4, 0, 8),
        "sqft_living": (np.round(living / 10) * 10).clip(290, 14_000).astype(int),
        "sqft_lot": np.round(np.exp(8.9 + 0.3 * size - 0.5 * land + 0.8 * rng.standard_t(4, n))).clip(500, 1.7e6).astype(int),
        "floors": np.array([1.0, 1.5, 2.0, 2.5, 3.0])[np.searchsorted([1.3, 1.5, 2.2, 2.3], (built - 1900) / 60 + 0.4 * size)],
        "waterfront": np.where(water, "yes", "no"),
        "view": np.where(rng.random(n) < 0.07 + 0.7 * water, rng.integers(1, 5, n), 0),
        "condition": np.clip(np.round(3.4 - (built - 1970) / 80 + 0.6 * rng.normal(size=n)), 1, 5).astype(int),
        "grade": grade.astype(int),
        "sqft_above": (np.round(living / 10) * 10 - basement).clip(100, 14_000).astype(int),
        "sqft_basement": basement.clip(0, 6000).astype(int),
        "yr_built": built.astype(int),
        "yr_renovated": np.where(rng.random(n) < 0.08 * (built < 1985), rng.integers(1985, 2016, n), 0),
        "zipcode": np.array(zips)[at],
        "lat": np.round(lat.clip(47.1, 47.8), 4),
        "long": np.round(long.clip(-122.6, -121.3), 3),
        "sqft_near": np.round(np.exp(7.5 + 0.3 * size + 0.15 * land + 0.2 * rng.normal(size=n))).clip(300, 8000).astype(int),
    })  # fmt: skip
    return frame, land, zips


def houses(seed: int) -> Split:
    """House sales like those of King County: prices log-normal around size, grade and a bumpy map; 17,000 and 4,000 rows."""
    rng = np.random.default_rng([5, seed])
    n = 21_000
    frame, land, zips = _houses_frame(rng, n)
    log = 7.97 + 0.5 * np.log(frame["sqft_living"]) + 0.11 * frame["grade"] + land + 0.1 * frame["view"]
    log += 0.55 * (frame["waterfront"] == "yes") + 0.04 * frame["condition"] + 0.08 * (frame["yr_renovated"] > 0)
    log += 0.03 * np.log(frame["sqft_lot"]) - 0.0008 * (frame["yr_built"] - 1960)
    price = np.exp(log.to_numpy(dtype=np.float64) + 0.16 * rng.normal(size=n))
    step = rng.choice([1, 50, 1000, 5000, 25_000], n, p=[0.15, 0.15, 0.4, 0.2, 0.1])
    frame["price"] = (np.round(price / step) * step).clip(50_000, MOST).astype(np.int64)
    whole = {"bedrooms": (0, 33), "sqft_living": (200, 15_000), "sqft_lot": (500, 2_000_000), "view": (0, 4),
             "condition": (1, 5), "grade": (1, 13), "sqft_above": (0, 15_000), "sqft_basement": (0, 6000),
             "yr_built": (1900, 2015), "yr_renovated": (0, 2015), "sqft_near": (300, 8000),
             "price": (50_000, MOST)}  # fmt: skip
    decimal = {"bathrooms": (0, 8, 2), "floors": (1, 4, 1), "lat": (47.1, 47.8, 4), "long": (-122.6, -121.3, 3)}
    other = {"date": Column(name="date", kind=Kind.DATETIME, bounds=("2014-05-01", "2015-05-31"), nullable=False),
             "waterfront": choice("waterfront", ("no", "yes")), "zipcode": choice("zipcode", zips)}  # fmt: skip
    names = [str(c) for c in frame.columns]
    columns = [number(c, *whole[c]) if c in whole else number(c, *decimal[c]) if c in decimal else other[c] for c in names]
    return _split(frame, columns, "houses", "price", 17_000)


SIMULATORS: MappingProxyType[str, Callable[[int], Split]] = MappingProxyType(
    {"parity": parity, "parity_off": parity_off, "copula": copula, "heavy": heavy, "wide60": wide60, "houses": houses}
)
