PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A file's tests share its fixtures, so a file stays with one of the two workers.
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: setup demo demo-train check test stress lint format

setup: $(VENV)/.ready

# Folders that take a package's place, of which setuptools warns, are told when it happens.
$(VENV)/.ready: setup.cfg constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	PYTHONWARNINGS='ignore:Editable installation' $(BIN)/python -m pip install --quiet \
	    --constraint constraints.txt --editable '.[all]'
	touch $@

demo: setup
	examples/demo.sh $(BIN)/python demo-output

demo-train: setup
	examples/demo_train.sh $(BIN)/python demo-train-output

# What takes minutes less than `test`: run before every commit.
check: lint
	$(PYTEST) -m 'not slow'

test: setup
	$(PYTEST)

stress: setup
	$(BIN)/python -m tests.stress.hostile

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m serving.compile_protos --check

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
