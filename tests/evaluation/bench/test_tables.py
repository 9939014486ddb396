import json
import math

import numpy as np
import pytest
from scipy.stats import t as student

from evaluation.bench.defaults import table as defaults_table
from evaluation.bench.plan import RESULTS
from evaluation.bench.tables import COLUMNS, cell, groups, interval, quality_table, steps_table
from evaluation.bench.techniques import table as techniques_table


def record(dataset="adult", model="dpvae", seed=0, auc=0.88, fit=30.0, **scores):
    values = {name: {"value": 0.01, "ceiling": 0.005, "floor": 0.2} for _, name, _ in COLUMNS}
    values["tstr_auc"] = {"value": auc, "ceiling": 0.927, "floor": None}
    return {
        "dataset": dataset, "model": model, "epsilon": 1.0, "delta": 1e-5, "seed": seed, "scores": {**values, **scores},
        "fit": {"seconds": fit, "cpu_seconds": 2 * fit, "peak_mib": 700 + seed}, "sample_100k": {"seconds": 2.0},
    }  # fmt: skip


def rows(text):
    return [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines()]


def test_intervals_are_t_intervals():
    values = [0.1, 0.2, 0.4, 0.5, 0.3]
    mean, half = interval(values)
    assert mean == pytest.approx(0.3)
    assert half == pytest.approx(student.ppf(0.975, 4) * np.std(values, ddof=1) / math.sqrt(5))
    assert interval([0.25])[0] == 0.25
    assert math.isnan(interval([0.25])[1])


@pytest.mark.statistical
def test_intervals_cover():
    """Of 2,000 intervals over 5 normal values 95 % hold the mean; 4 standard errors are 2 %."""
    rng = np.random.default_rng(0)
    held = [abs(m) <= h for m, h in (interval(rng.normal(size=5)) for _ in range(2000))]
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)


def test_cells():
    assert cell([0.5], 3) == "0.500"
    assert cell([0.5, 0.5], 2) == "0.50 ± 0.00"


def test_a_row_per_data_set_and_model_then_its_ceiling_and_floor():
    records = [record(seed=s, auc=a) for s, a in enumerate((0.87, 0.88, 0.89))]
    records += [record(model="dpgan", auc=0.83), record(dataset="randhie")]
    table = rows(quality_table(records))
    assert len({len(line) for line in table}) == 1
    assert [line[:5] for line in table[2:5]] == [
        ["adult", "1", "1e-05", "`dpvae`", "3"],
        ["adult", "1", "1e-05", "`dpgan`", "1"],
        ["randhie", "1", "1e-05", "`dpvae`", "1"],
    ]
    place = table[0].index("TSTR")
    assert table[2][place].startswith("AUC 0.880 ± 0.02")
    assert table[3][place] == "AUC 0.830 of 0.927"
    assert table[2][table[0].index("peak MiB")] == "702"  # the largest, not the mean
    assert table[3][table[0].index("fit CPU s")] == "60.0"
    real = [line for line in table if line[3] == "*fresh real rows*"]
    assert [line[0] for line in real] == ["adult", "randhie"]
    assert real[0][place] == "0.927"
    floor = next(line for line in table if line[3] == "*columns shuffled*")
    assert floor[place] == ""
    assert floor[table[0].index("3-way TV")] == "0.2000"


def test_variants_have_rows_of_their_own():
    records = [record(), {**record(), "options": {"latent": 8}, "variant": "dpvae[latent=8]"}, {**record(), "delta": 1e-6}]
    assert [key[2:] for key in groups(records)] == [(1e-5, "dpvae"), (1e-5, "dpvae[latent=8]"), (1e-6, "dpvae")]


def test_numbers_to_predict_have_an_r2():
    one = record(dataset="houses", tstr_r2={"value": 0.5, "ceiling": 0.87, "floor": -0.1})
    del one["scores"]["tstr_auc"]
    table = rows(quality_table([one]))
    place = table[0].index("TSTR")
    assert [line[place] for line in table[2:]] == ["R2 0.500 of 0.870", "0.870", "-0.100"]


def test_a_single_detection_auc_has_its_own_interval():
    detection = {"value": 0.7, "low": 0.69, "high": 0.71, "ceiling": 0.5, "floor": 0.9}
    table = rows(quality_table([record(detection_auc=detection)]))
    place = table[0].index("detection AUC")
    assert table[2][place] == "0.700 (0.690 to 0.710)"
    two = [record(seed=s, detection_auc=detection) for s in (0, 1)]
    assert rows(quality_table(two))[2][place] == "0.700 ± 0.000"


def test_what_failed_is_told_below():
    failed = {**record(model="peer"), "failed": "cannot install it"}
    text = quality_table([record(), failed, {**failed, "seed": 1}])
    assert text.count("peer") == 1
    assert text.endswith("Not run:\n\n- adult, epsilon 1, `peer`: cannot install it")


def test_peers_draw_no_further_rows():
    peer = record(model="dpmm-aim")
    del peer["sample_100k"]
    table = rows(quality_table([peer]))
    assert table[2][table[0].index("100k rows s")] == ""


def test_scores_that_a_data_set_lacks_stay_blank():
    lacking = record()
    del lacking["scores"]["tstr_auc"]
    table = rows(quality_table([lacking]))
    assert table[2][table[0].index("TSTR")] == ""


def test_costs_of_steps():
    one = {
        "network": "dpvae", "parameters": 12345, "batch": 2048, "step": "plain torch", "milliseconds": 12.34, "ratio": 1.0,
        "ratio_same": 1.5, "peak_mib": 30.0, "peak_dense_mib": 20.0,
    }  # fmt: skip
    assert rows(steps_table([one]))[2] == ["dpvae", "12,345", "2048", "plain torch", "12.3", "1.00", "1.50", "30", "1.50"]
    assert rows(steps_table([one | {"peak_mib": None}]))[2][-2:] == ["", ""]


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.jsonl")), ids=lambda p: p.name)
def test_committed_results_make_their_tables(path):
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if "dataset" in records[0] or "network" in records[0]:
        made = {"steps.jsonl": steps_table, "techniques.jsonl": techniques_table, "defaults.jsonl": defaults_table}
        table = made.get(path.name, quality_table)(records)
        assert len(table.splitlines()) >= 3
        assert "nan" not in table
    for r in records:
        assert {"date", "machine", "versions", "commit"} <= set(r)
