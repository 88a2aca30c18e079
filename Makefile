# `make help` lists what there is. Nothing but Python 3.11+, git and make is needed.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: help build test docs dictionary analysis bench lint check-sql check-python check-demo build-duckdb2 lock clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12"; exit 1; }
	@echo "installing the pinned dependencies into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--require-hashes -r requirements.lock # complete, so nothing is left to resolve
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation --editable .
	@touch $@

build: $(VENV)/.installed ## build the marts from what has landed, or from the demo; STRICT=1 fails on odd data
	@$(BIN)/python scripts/build.py $(if $(STRICT),--strict)

test: lint check-python check-demo ## everything that CI checks

lint: $(VENV)/.installed ## ruff and sqlfluff
	@$(BIN)/ruff check --quiet extract scripts tests bench
	@$(BIN)/ruff format --quiet --check extract scripts tests bench
	@$(BIN)/sqlfluff lint --disable-progress-bar --processes 2 models tests

check-python: $(VENV)/.installed ## the Python tests
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

check-demo: $(VENV)/.installed ## dbt unit and data tests on the demo sources
	@$(BIN)/python scripts/build.py --demo --strict

build-duckdb2: $(VENV)/.installed ## the demo once more, under DuckDB 2
	@$(MAKE) --no-print-directory VENV=.venv-duckdb2 .venv-duckdb2/.duckdb2
	@PATH="$(abspath .venv-duckdb2/bin):$$PATH" .venv-duckdb2/bin/python scripts/build.py \
		--demo --strict --database data/demo/duckdb2/datadecide.duckdb

.venv-duckdb2/.duckdb2: .venv-duckdb2/.installed requirements-duckdb2.lock
	@.venv-duckdb2/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--require-hashes -r requirements-duckdb2.lock
	@touch $@

docs: $(VENV)/.installed ## the dbt docs site, as one HTML file
	@$(BIN)/python scripts/docs.py

dictionary: $(VENV)/.installed ## the list of all marts and columns in Markdown, after a change of them
	@$(BIN)/python scripts/dictionary.py

analysis: $(VENV)/.installed ## pandas, polars and pyarrow, for .df(), .pl() and .arrow() of a query
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--require-hashes -r requirements-analysis.lock
	@$(BIN)/python -c "import duckdb; q = duckdb.sql('select 1'); q.df(), q.pl(), q.arrow()"

bench: $(VENV)/.installed ## benchmarks, as a table of ratios
	@$(BIN)/python -m bench

LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header --constraint constraints.txt

lock: ## resolve the dependencies anew (needs uv)
	$(LOCK) --extra dev --output-file requirements.lock
	$(LOCK) --extra dev --extra analysis --constraint requirements.lock \
		--output-file requirements-analysis.lock

clean: ## remove what builds and tests made; landed data stays
	rm -rf target logs .pytest_cache .ruff_cache data/demo data/tmp
