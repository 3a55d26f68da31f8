# Everything a fresh machine needs beyond git, make and Python >= 3.11 is installed into this checkout
# (.venv/ and .cache/); `make` alone lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
export PYTHONPATH := tests
# Processes that `make test` runs its tests in; 0 for all in one.
PROCESSES ?= 2
# Handed out in this order: what takes long first, the files of seconds last, so that both processes end together.
FOLDERS := tests/integration tests/e2e tests/hostile tests/golden tests/unit

.PHONY: help setup sandbox-build sandbox demo test test-unit test-integration test-e2e lint format crds locks clean

help: ## this list
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

setup: $(READY) ## the Python environment in .venv (about 6 GB: torch is most of it)

$(READY): locks/dev.txt locks/bootstrap.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "visionft needs Python 3.11 or newer; $$($(PYTHON) --version 2>&1) was found. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Installing the Python environment into .venv (6 GB; two minutes on a fast connection) ..."
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/bootstrap.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r locks/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

sandbox-build: $(READY) ## build the sandbox's control plane (about 5 minutes the first time, then cached)
	@$(BIN)/python -m sandbox.build

sandbox: $(READY) ## a Kubernetes cluster on this machine until Ctrl-C; KUBECONFIG_OUT=path writes its kubeconfig there
	@exec $(BIN)/python -m sandbox $(if $(KUBECONFIG_OUT),--kubeconfig-out '$(KUBECONFIG_OUT)')

demo: $(READY) ## fine-tune a small VLM on handwriting, end to end; KEEP=1 leaves the cluster up, JSON=path writes the resource
	@exec $(BIN)/python examples/demo/run.py $(if $(KEEP),--keep) $(if $(JSON),--json '$(JSON)')

test: $(READY) ## every test: unit, golden, integration on a real API server, and a training end to end
	@$(BIN)/python -m sandbox.build
	@$(BIN)/python -m pytest -n $(PROCESSES) --dist loadscope --no-loadscope-reorder $(FOLDERS) $(ARGS)

test-unit: $(READY) ## the fast tests only
	@$(BIN)/python -m pytest tests/unit tests/golden $(ARGS)

test-integration: $(READY) ## the tests on the sandbox's real API server
	@$(BIN)/python -m pytest tests/integration $(ARGS)

test-e2e: $(READY) ## the demo's training, as a test
	@$(BIN)/python -m pytest tests/e2e $(ARGS)

lint: $(READY) ## ruff, and mypy --strict on our packages
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m visionft_api --check

format: $(READY) ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

crds: $(READY) ## write crds/*.yaml from the models
	@$(BIN)/python -m visionft_api

locks: $(READY) ## resolve the dependencies again
	@for extra in operator trainer; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    pyproject.toml --extra $$extra -o locks/$$extra.txt $(UPGRADE); done
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  pyproject.toml --all-extras -o locks/dev.txt $(UPGRADE)
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  tests/mlflow_server/requirements.in -o locks/mlflow-server.txt $(UPGRADE)

clean: ## remove everything that was built or installed here
	rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache dist
