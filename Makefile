# make demo: build the environment, fit the embedded table at epsilon 1, sample, evaluate, say where the report is
# make test: the gate (lint, types, import contracts, tests); what CI runs
# make slow: the long tests as well
# make evidence: plant the bugs, audit everything, write the tables of SECURITY.md (a quarter of an hour)
# make docker: an image that runs the command (DOCKER=podman for another engine)
# make bench: what the tables of the README lack, then the tables (BENCH="--peers --plot quality.svg", "--steps", "--scale" for more)

SHELL := /bin/bash
PYTHON ?= python3
DOCKER ?= docker
VENV ?= .venv
BIN = "$(VENV)/bin"
STAMP = $(VENV)/.installed

# two workers with a pool of threads each fight over two cores: ten times slower
export OMP_NUM_THREADS = 1

.PHONY: demo test slow slow-only browser evidence bench lint types contracts clean docker

demo: $(STAMP)
	$(BIN)/synth demo --output demo

test: lint types contracts
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow and not browser and not peers" \
	  --cov --cov-report=term-missing:skip-covered --cov-fail-under=100

slow: test
	$(BIN)/python -m pytest -m "slow and not peers and not browser"

# what CI can afford: without the deep fits of very wide tables, minutes each
slow-only: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "slow and not peers and not browser" -k "not deep"

evidence: $(STAMP)
	mkdir -p build
	SYNTH_MUTATION_TABLE=build/mutations.md $(BIN)/python -m pytest tests/audit
	$(BIN)/synth audit --full --force --output build/audit.html
	$(BIN)/python -m evaluation.audit SECURITY.md build/mutations.md build/audit.json

# the report in headless Chromium (skipped where there is none)
browser: $(STAMP)
	$(BIN)/python -m pytest -m browser

docker:
	$(DOCKER) build --tag synth .

bench: $(STAMP)
	$(BIN)/synth bench $(BENCH)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

contracts: $(STAMP)
	$(BIN)/lint-imports

# torch comes first and pinned, so that no other package pulls another build of it
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "synth needs Python 3.11 or newer")'
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear "$(VENV)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[demo,dev]"
	touch "$(STAMP)"

clean:
	rm -rf "$(VENV)" demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
