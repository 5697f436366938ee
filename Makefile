# What developers type. Stamp files in .venv make a second run quick.

.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
BENCH := build/bench-venv
ROOTS := core tui notebook_ext studio tests bench
# Tests wait for databases and processes more than they compute: a few more at once than there are cores.
JOBS ?= 4
# Else every worker and every process that a test starts would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

.PHONY: help demo test crash check format bench soak lowest clean

help:
	@echo "make demo    run an example to its end, then kill one half-way and watch it go on"
	@echo "make test    the whole suite, services included"
	@echo "make crash   kill workers at every point around a commit, and check what became of their work"
	@echo "make check   style, types, import contracts and the fast tests"
	@echo "make format  rewrite the sources in the project's style"
	@echo "make bench   measure against the raw store and against peers"
	@echo "make soak    run and kill workers for a long time and verify the store"
	@echo "make lowest  the whole suite on the lowest versions of every dependency"

$(VENV)/stamp-venv:
	@python="$$(scripts/find-python.sh)" && echo "creating $(VENV) with $$python" && "$$python" -m venv $(VENV)
	@touch $@

$(VENV)/stamp-demo: $(VENV)/stamp-venv pyproject.toml
	@echo "installing durable-studio"
	@$(BIN)/python -m pip install --quiet -e ".[postgres]"
	@touch $@

$(VENV)/stamp-dev: $(VENV)/stamp-venv pyproject.toml
	@echo "installing durable-studio and what its developers use"
	@$(BIN)/python -m pip install --quiet -e ".[dev,postgres]"
	@touch $@

# An environment of its own: one of the peers brings a plugin that slows every pytest run by seconds.
$(BENCH)/stamp: pyproject.toml
	@python="$$(scripts/find-python.sh)" && echo "creating $(BENCH) with $$python" && "$$python" -m venv $(BENCH)
	@echo "installing durable-studio and the peers to measure against"
	@$(BENCH)/bin/python -m pip install --quiet -e ".[postgres,bench]"
	@touch $@

# Never fatal: what is missing afterwards is told by the tests, each with its reason.
$(VENV)/stamp-system: scripts/install-system-packages.sh | $(VENV)/stamp-venv
	@scripts/install-system-packages.sh
	@touch $@

demo: $(VENV)/stamp-demo
	@scripts/demo.sh $(BIN)/durable-studio

test: $(VENV)/stamp-dev $(VENV)/stamp-system
	$(PYTEST) -ra

# The part of `make test` that kills workers: at every named point, on every shape of workflow, on both databases.
crash: $(VENV)/stamp-dev $(VENV)/stamp-system
	$(PYTEST) -ra -m crash

# Generated tests take a share of their examples here, see tests/generation.py.
check: $(VENV)/stamp-dev
	$(BIN)/ruff check $(ROOTS)
	$(BIN)/ruff format --check $(ROOTS)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(PYTEST) -q -m "not slow and not service and not browser and not crash" --hypothesis-profile=quick

format: $(VENV)/stamp-dev
	$(BIN)/ruff check --fix $(ROOTS)
	$(BIN)/ruff format $(ROOTS)

# Some minutes; the table goes into the page that explains it.
bench: $(BENCH)/stamp
	$(BENCH)/bin/python -m bench --update docs/benchmarks.md

soak: $(VENV)/stamp-dev
	$(BIN)/python -m bench.soak

lowest:
	@scripts/try-lowest.sh

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
