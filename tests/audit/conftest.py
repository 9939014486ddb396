"""Gathers which check caught which planted bug, and prints the table at the end of the run."""

import os
from pathlib import Path

import pytest

CAUGHT = {}


@pytest.fixture(scope="session")
def caught():
    """Bug -> (check, whether it was contradicted)."""
    return CAUGHT


def markdown():
    lines = ["| planted bug | check | verdict |", "|---|---|---|"]
    lines += [f"| {bug} | {check} | {'contradicted' if found else 'NOT SEEN'} |" for bug, (check, found) in CAUGHT.items()]
    return "\n".join(lines) + "\n"


def pytest_terminal_summary(terminalreporter):
    if CAUGHT:
        terminalreporter.write_sep("-", "planted bugs and the checks that caught them")
        width = max(map(len, CAUGHT))
        for bug, (check, found) in CAUGHT.items():
            terminalreporter.write_line(f"{bug:{width}}  {check:16} {'contradicted' if found else 'NOT SEEN'}")
        if os.environ.get("SYNTH_MUTATION_TABLE"):
            Path(os.environ["SYNTH_MUTATION_TABLE"]).write_text(markdown(), encoding="utf-8")
