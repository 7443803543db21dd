# Two commands on a fresh machine: `make demo` and `make test`. Both make .venv and install into it first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: demo test check clean

demo: $(VENV)/.installed
	$(BIN)/thas demo $(ARGS)

test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist worksteal $(ARGS)

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

# Installed anew whenever the sources change: what runs is what a user would get from `pip install .`.
SOURCES := $(wildcard pyproject.toml $(shell git ls-files '*.py' '*.toml' 2>/dev/null | grep -v '^tests/'))

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python $(SOURCES)
	rm -rf build  # a module that is gone would otherwise be installed from there
	$(BIN)/python -m pip install --quiet --disable-pip-version-check '.[dev]'
	touch $@

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
