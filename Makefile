# Every check that runs in continuous integration is a target of this file.
# `make help` lists them.

PYTHON ?= python3
VENV := .venv
WHEEL_VENV := .venv-wheel
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Test processes; 0 runs everything in one process (use that with --pdb).
WORKERS ?= 2
# Further options for pytest, for example: make test-fast ARGS="-k plot -x"
ARGS ?=

# One thread in each test process: the workers already use the cores, and results stay repeatable.
OMP_NUM_THREADS ?= 1
PYTEST_ENV := SCIPY_ARRAY_API=1 MPLBACKEND=Agg OMP_NUM_THREADS=$(OMP_NUM_THREADS)
PYTEST := $(PYTEST_ENV) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv test test-fast test-lowest fuzz lint format demo speed bench-small bench docs build clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(STAMP) ## Create .venv and install the package with its test tools

$(STAMP): pyproject.toml constraints.txt
	@command -v "$(PYTHON)" >/dev/null || \
	  { echo "error: '$(PYTHON)' not found; set PYTHON to a Python 3.11 or newer" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; v = sys.version_info; v[:2] >= (3, 11) or sys.exit("error: skkd needs Python 3.11 or newer, but PYTHON ($(PYTHON)) is %d.%d; try: make PYTHON=python3.11 ..." % v[:2])'
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --progress-bar off -c constraints.txt -e ".[test]"
	@touch $@

test: lint ## Lint, then run every test, slow ones included
	$(PYTEST) $(ARGS)

test-fast: $(STAMP) ## Run the tests that are not marked slow
	$(PYTEST) -m "not slow" $(ARGS)

# For example: make fuzz MODES=kills COUNT=200
MODES ?= calls regressions uses damage
COUNT ?= 1000
fuzz: $(STAMP) ## Go on with COUNT cases of each campaign in MODES
	for mode in $(MODES); do \
	  $(PYTEST_ENV) $(BIN)/python -m tests.fuzz $$mode --count $(COUNT) || exit 1; done

test-lowest: ## Run the fast tests with the lowest versions that pyproject.toml allows
	"$(PYTHON)" -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --progress-bar off \
	  -c constraints-lowest.txt -e ".[test]"
	$(PYTEST_ENV) .venv-lowest/bin/python -m pytest -n $(WORKERS) --dist worksteal \
	  -m "not slow" $(ARGS)

lint: $(STAMP) ## Check style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## Fix what ruff can fix and format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

demo: $(STAMP) ## Run the quick-start example
	$(BIN)/python examples/plot_quickstart.py

speed: $(STAMP) ## Measure how fast training and prediction are
	OMP_NUM_THREADS=$(OMP_NUM_THREADS) $(BIN)/python benchmarks/speed.py

bench-small: $(STAMP) ## Repeat a part of the study, in some minutes, and compare the two
	$(BIN)/python -m benchmarks.run --profile small --jobs 2
	$(BIN)/python -m benchmarks.report build/bench-small.jsonl --out build/bench-small
	test ! -f benchmarks/results/study.jsonl || \
	  $(BIN)/python -m benchmarks.report build/bench-small.jsonl --against benchmarks/results/study.jsonl

bench: $(STAMP) ## Run what is missing of the whole study, in hours, and write its report
	$(BIN)/python -m pip install --quiet --progress-bar off -c constraints.txt -e ".[bench]"
	for profile in study rules search fresh; do \
	  $(BIN)/python -m benchmarks.run --profile $$profile --jobs 2; done
	$(BIN)/python -m benchmarks.run --profile full  # a forest of three gigabytes: one at a time
	for study in study rules/study fresh/study full/study; do \
	  $(BIN)/python -m benchmarks.report benchmarks/results/$$study.jsonl; done

docs: $(STAMP) ## Build the site, running all examples, in minutes; a warning is an error
	rm -rf docs/auto_examples docs/generated
	MPLBACKEND=Agg OMP_NUM_THREADS=$(OMP_NUM_THREADS) \
	  $(BIN)/python -m sphinx -W --keep-going -b html docs build/docs
	@echo 'The site: build/docs/index.html'

build: $(STAMP) ## Build sdist and wheel, and try the wheel in an empty environment
	rm -rf dist $(WHEEL_VENV)
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m venv $(WHEEL_VENV)
	$(WHEEL_VENV)/bin/python -m pip install --quiet --progress-bar off -c constraints.txt dist/*.whl
	$(WHEEL_VENV)/bin/python -I -c 'import skkd; from skkd import *; print("skkd", skkd.__version__, "imports from", skkd.__file__)'
	rm -rf $(WHEEL_VENV)

clean: ## Remove the environment, build results and caches
	rm -rf .venv .venv-wheel .venv-lowest dist build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -rf docs/auto_examples docs/generated
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
