# Everything a person or a machine types here. `make` alone lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
INSTALL := $(PIP) install --quiet --require-hashes

.DEFAULT_GOAL := help
.PHONY: help setup run test unit check style bench soak screenshots docs format pins clean

help: ## List what can be made
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile

setup: $(VENV)/.dev ## Make the virtual environment with all that running and testing needs

run: $(VENV)/.run ## Run it here: Redis, web, worker, sweep, and a sandbox without BFL_API_KEY
	@exec $(BIN)/python -m deploy.run

# Hundreds of processes would otherwise compile our modules anew where the environment says so.
test: export PYTHONDONTWRITEBYTECODE :=
test: style ## All that CI runs: format, lint, types, and every test with real parts
	@$(BIN)/python -m tests.harness.browser
	@$(BIN)/python -m tests.harness.prometheus
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

unit: $(VENV)/.dev ## The pure tests alone, without any process: seconds
	$(BIN)/python -m pytest -q tests/unit

check: style ## The quick part of it: no browser, no slow faults
	$(BIN)/python -m pytest -m "not slow and not browser"

style: $(VENV)/.dev ## Format, lint, types and the syntax of Lua scripts alone
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@$(BIN)/python -m tests.harness.lua_syntax

bench: $(VENV)/.dev ## Measure it; BENCHMARKS.md says what the numbers mean
	$(BIN)/python -m tests.bench

soak: $(VENV)/.dev ## A thousand jobs through random faults, for minutes; prints its seed
	$(BIN)/python -m tests.bench.soak

screenshots: $(VENV)/.dev ## Take the pictures of the dashboard that README.md and docs/ show
	@$(BIN)/python -m tests.harness.screenshots

docs: $(VENV)/.dev ## Write docs/settings.md from the settings' own descriptions
	@$(BIN)/python -m deploy.settings_page

format: $(VENV)/.dev ## Put the code into its one format
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

pins: $(VENV)/.made ## Pin the newest requirements that pyproject.toml allows, with hashes
	@sh deploy/pins.sh $(BIN)/python --upgrade

clean: ## Remove what was made, except the data under var/
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis tests/harness/clients/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: what was installed is newer than the files that ask for it.

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Fluxkeep needs Python 3.11 or newer, and '$(PYTHON)' is none." >&2; \
	  echo "Name one that is: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { \
	  echo "'$(PYTHON)' cannot make a virtual environment." >&2; \
	  echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.run: $(VENV)/.made requirements.txt deploy/requirements-local.txt
	@echo "Installing what Fluxkeep needs ..."
	@$(INSTALL) -r requirements.txt -r deploy/requirements-local.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.made requirements-dev.txt deploy/requirements-reporting.txt
	@echo "Installing what Fluxkeep and its tests need ..."
	@$(INSTALL) -r requirements-dev.txt
	@$(INSTALL) --no-deps --upgrade --target $(VENV)/share/reporting \
	  -r deploy/requirements-reporting.txt
	@touch $@
