PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup demo demo-train test stress lint format

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

test: setup
	$(BIN)/python -m pytest

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
