# Every target sets up what it needs in .venv first; nothing is installed globally.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# One thread per process: workers share the cores, and a second thread costs more than it gives.
ONE_THREAD := OMP_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow lint bench lock

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## Create .venv and install the lock file into it

demo: $(READY) ## Map the critical learning rate of three objectives on real digits
	$(BIN)/rankfall run demo

test: $(READY) ## Run the tests (minutes; the slow ones are test-slow)
	$(ONE_THREAD) $(BIN)/pytest

test-slow: $(READY) ## Run the slow tests: killed processes, clusters, browser
	$(ONE_THREAD) $(BIN)/pytest -m slow

lint: $(READY) ## ruff, mypy strict, import rule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY) ## Speed against the libraries people use, as ratios within one run
	$(ONE_THREAD) $(BIN)/python -m tests.benchmarks.objectives
	$(ONE_THREAD) $(BIN)/python -m tests.benchmarks.instruments
	$(ONE_THREAD) $(BIN)/python -m tests.benchmarks.boundary --quick
	$(ONE_THREAD) $(BIN)/python -m tests.benchmarks.throughput

# torch comes first and with its dependencies: on a machine with a GPU these are the CUDA
# libraries. The rest of the lock is complete, so pip has nothing to resolve.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Rankfall needs Python 3.11 or newer, got " + sys.version.split()[0] + ": make PYTHON=python3.11 ..." if sys.version_info < (3, 11) else 0)'
	@echo "setting up $(VENV) (a minute or two, once)"
	$(PYTHON) -m venv $(VENV)
	$(PIP) install $$(grep '^torch==' requirements.lock)
	$(PIP) install --no-deps -r requirements.lock
	$(PIP) install --no-deps --editable .
	@touch $(READY)

lock: $(READY) ## Write down the exact versions that .venv holds now
	$(BIN)/python -m pip freeze --exclude-editable | sed -E 's/\+cpu//' > requirements.lock
