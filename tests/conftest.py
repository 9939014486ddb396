"""Prints which check caught which planted bug at the end of a run; the tests are in ``tests/audit``.

Here rather than there, because the process that gathers reports under xdist loads this file only.
"""

import os
from pathlib import Path

CAUGHT = {}


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
