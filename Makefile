# Two commands on a fresh machine: `make demo` and `make test`. Both make .venv and install into it first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test check docs release lowest clean

demo: $(VENV)/.installed
	$(BIN)/thas demo $(ARGS)

# Bytecode is written whatever the environment says: what pytest rewrites, its workers need not rewrite again.
test: check
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist worksteal $(ARGS)

check: $(VENV)/.developed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

# The site, in build/site/; a warning fails it.
docs: $(VENV)/.documented
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --clean

# What an index would be given, of the commit that the tag v<version> names; tried in an environment of its own.
release: $(VENV)/.developed
	test -z "$$(git status --porcelain)" || { echo "the tree is not clean: commit first"; exit 1; }
	test "$$(git tag --points-at HEAD)" = "v$$($(BIN)/thas --version)" || { echo "tag it first: git tag v$$($(BIN)/thas --version)"; exit 1; }
	rm -rf build dist
	$(PIP) build twine
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*
	$(PYTHON) -m venv build/fresh
	build/fresh/bin/python -m pip install --quiet --disable-pip-version-check dist/*.whl
	cd build && fresh/bin/thas --version && fresh/bin/thas list presets && fresh/bin/thas doctor
	@echo "next: $(BIN)/twine upload dist/*"

# Installed anew whenever the sources change: what runs is what a user would get from `pip install .`.
SOURCES := $(wildcard pyproject.toml $(shell git ls-files '*.py' '*.toml' 2>/dev/null | grep -v '^tests/'))

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# What a user has: the demo needs no developers' tools.
$(VENV)/.installed: $(VENV)/bin/python $(SOURCES)
	rm -rf build  # a module that is gone would otherwise be installed from there
	$(PIP) .
	touch $@

$(VENV)/.developed: $(VENV)/bin/python $(SOURCES)
	rm -rf build
	$(PIP) '.[dev]'
	touch $(VENV)/.installed $@

$(VENV)/.documented: $(VENV)/.installed pyproject.toml
	$(PIP) '.[docs]'
	touch $@

# The lowest versions that pyproject.toml allows, of all that users need but torch and torchvision: their wheels weigh gigabytes, so these
# are the newest, from .venv. The tests touch each of the packages.
LOWEST := .venv-lowest
LOWEST_TESTS := tests/test_cli.py tests/test_core_segments.py tests/test_core_tables.py tests/test_eval_boxes.py \
	tests/test_eval_golden.py tests/test_features_cache.py tests/test_features_layouts.py tests/test_features_video.py \
	tests/test_image_has_readers.py tests/test_image_has_refine.py

lowest: $(LOWEST)/.installed
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest --numprocesses auto --maxprocesses 8 --override-ini filterwarnings= $(LOWEST_TESTS)

$(LOWEST)/.installed: $(VENV)/.developed pyproject.toml
	$(PYTHON) -m venv $(LOWEST)
	$(BIN)/python .ci/lowest_versions.py > $(LOWEST)/wanted.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $(LOWEST)/wanted.txt
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_paths()['purelib'])" > "$$(echo $(LOWEST)/lib/python*/site-packages)/zz_rest.pth"
	touch $@

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
