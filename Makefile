# Commands for users, developers and CI. `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
# The files of pins name every requirement: there is nothing to resolve.
INSTALL := $(PIP) install --quiet --require-hashes --no-deps
LISTEN = import socket; socket.create_server(('127.0.0.1', $(PORT)))

.DEFAULT_GOAL := help
.PHONY: help setup run test image programs compiled unit check style bench soak search mutants screenshots docs format pins clean

help: ## List the commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile

setup: $(VENV)/.dev ## Create the virtual environment for running and testing

run: $(VENV)/.run ## Run Redis, web, worker and sweep; without BFL_API_KEY also a sandbox
	@exec $(BIN)/python -m deploy.run

# Otherwise each of hundreds of processes may compile our modules again.
test unit check: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/.dev ## Everything that CI runs: format, lint, types, every test
	@$(MAKE) --no-print-directory --jobs=3 style programs compiled
	$(BIN)/python -m pytest -n 8 --dist loadfile --no-loadscope-reorder --durations=20

image: $(VENV)/.dev ## Build the image and run it with a Docker of its own: root, on Debian
	@sh tests/image/run.sh $(CURDIR)/$(BIN)/python

programs: $(VENV)/.dev
	@$(BIN)/python -m tests.harness.browser
	@$(BIN)/python -m tests.harness.prometheus

# Otherwise each of the processes of a test run compiles all modules of the tests by itself.
compiled: $(VENV)/.dev
	@$(BIN)/python -m pytest --collect-only --quiet >$(VENV)/collected || { cat $(VENV)/collected; exit 1; }

unit: $(VENV)/.dev ## The unit tests, which start no process: seconds
	$(BIN)/python -m pytest -q -n 2 tests/unit

check: style ## The quick tests: no browser, no slow faults
	$(BIN)/python -m pytest -m "not slow and not browser"

style: $(VENV)/.dev ## Format, lint, types, and the syntax of Lua scripts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@$(BIN)/python -m tests.harness.lua_syntax

bench: $(VENV)/.dev ## Print the tables of BENCHMARKS.md
	$(BIN)/python -m tests.bench

soak: $(VENV)/.dev ## Run 10,000 jobs with random faults, check every byte; prints its seed
	$(BIN)/python -m tests.bench.soak

search: $(VENV)/.dev ## Search the simulation with fresh seeds for SECONDS (600); exit 1 on a finding
	@nice $(BIN)/python -m tests.simulation.search $(or $(SECONDS),600) $(SEARCH)

mutants: $(VENV)/.dev ## Run the quick tests against generated mutants; list those that survive
	@nice $(BIN)/python -m tests.mutation $(MUTANTS)

screenshots: $(VENV)/.dev ## Take the images of the dashboard that README.md and docs/ show
	@$(BIN)/python -m tests.harness.screenshots

docs: $(VENV)/.dev ## Write the OpenAPI document, docs/settings.md, docs/models.md, and the errors in docs/api.md
	@$(BIN)/python -m tests.harness.settings_doc
	@$(BIN)/python -m tests.harness.models_doc
	@$(BIN)/python -m tests.harness.openapi.document

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

pins: $(VENV)/.made ## Pin the newest versions that pyproject.toml allows, with hashes
	@sh deploy/pins.sh $(BIN)/python --upgrade

clean: ## Remove generated files, except the data under var/
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis tests/harness/clients/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamp files: newer than the requirements that they were installed from.

# The programs of an environment name its folder: one that was moved gets a new environment.
ifneq "$(shell cat $(VENV)/.made 2>/dev/null)" "$(CURDIR)"
.PHONY: $(VENV)/.made
endif

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Fluxkeep needs Python 3.11 or newer; '$(PYTHON)' is not." >&2; \
	  echo "Choose another: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { \
	  echo "'$(PYTHON)' cannot create a virtual environment." >&2; \
	  echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@pwd -P > $@

$(VENV)/.run: $(VENV)/.made requirements.txt deploy/requirements-local.txt
	@[ -z "$(PORT)" ] || $(PYTHON) -c "$(LISTEN)" 2>/dev/null || { \
	  echo "Fluxkeep cannot start: port $(PORT) cannot be used; name another, or leave PORT out:" \
	  "then the next free one is taken" >&2; exit 1; }
	@echo "Installing the requirements ..."
	@$(INSTALL) -r requirements.txt -r deploy/requirements-local.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.made requirements-dev.txt deploy/requirements-reporting.txt
	@echo "Installing the requirements of Fluxkeep and its tests ..."
	@$(INSTALL) --no-compile -r requirements-dev.txt
	@$(INSTALL) --upgrade --target $(VENV)/share/reporting \
	  -r deploy/requirements-reporting.txt
	@touch $@
