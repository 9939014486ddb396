"""Profile of property tests; louder noise; and at the end of a run, which check caught which planted bug of ``tests/audit``.

The last here rather than there, because the process that gathers reports under xdist loads this file only.
"""

import os
from pathlib import Path

from hypothesis import HealthCheck, settings

CAUGHT = {}

settings.register_profile(
    "synth",
    derandomize=True,
    deadline=None,
    max_examples=40,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("synth")


def pytest_configure():
    """With ``SYNTH_LOUD=2.5`` the core adds 2.5 times the noise: a test that breaks by chance breaks often."""
    factor = float(os.environ.get("SYNTH_LOUD", "1"))
    if factor == 1:
        return
    from synth.privacy import cells, mechanisms

    normal, laplace = mechanisms.rounded_gaussian, mechanisms.two_sided_geometric
    mechanisms.rounded_gaussian = lambda size, sigma, entropy: normal(size, factor * sigma, entropy)
    for module in (mechanisms, cells):
        module.two_sided_geometric = lambda size, scale, entropy: laplace(size, factor * scale, entropy)


def pytest_runtest_logreport(report):
    for name, value in report.user_properties if report.when == "call" else ():
        if name == "planted bug":
            bug, check, seen = value
            CAUGHT[bug] = (check, "contradicted" if seen else "NOT SEEN")


def pytest_terminal_summary(terminalreporter):
    if not CAUGHT:
        return
    terminalreporter.write_sep("-", "planted bugs and the checks that caught them")
    width = max(map(len, CAUGHT))
    for bug, (check, verdict) in CAUGHT.items():
        terminalreporter.write_line(f"{bug:{width}}  {check:16} {verdict}")
    if os.environ.get("SYNTH_MUTATION_TABLE"):
        lines = ["| planted bug | check | verdict |", "|---|---|---|"]
        lines += [f"| {bug} | {check} | {verdict} |" for bug, (check, verdict) in CAUGHT.items()]
        Path(os.environ["SYNTH_MUTATION_TABLE"]).write_text("\n".join(lines) + "\n", encoding="utf-8")
