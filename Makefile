# `make demo` and `make test` need nothing but Python 3.11+ and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := build/demo.docqa

.PHONY: help demo test faults check lint format types contracts clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    index the sample library and ask it a few questions"
	@echo "make test    run the tests"
	@echo "make faults  run those that kill, starve and deceive the program (docs/reliability.md)"
	@echo "make check   everything CI checks: format, lint, types, import contract, tests"
	@echo "make lint    format and lint only"
	@echo "make format  rewrite the code in its format"

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(READY)
	@mkdir -p $(dir $(DEMO))
	$(BIN)/docqa index --library $(DEMO) data/library
	@printf '%s\n' \
	  "At what pressure does the safety valve of the Aurel boiler open?" \
	  "What is the rent for the flat from March 2025?" \
	  "How much deposit did we pay for the Tannery Lane flat?" \
	  | $(BIN)/docqa ask --library $(DEMO) --top 2

test: $(READY)
	$(BIN)/python -m pytest --numprocesses 2

faults: $(READY)
	$(BIN)/python -m pytest --numprocesses 2 tests/faults

check: lint types contracts test

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: $(READY)
	$(BIN)/mypy

contracts: $(READY)
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) build dist .bench .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
