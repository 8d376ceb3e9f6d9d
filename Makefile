# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Each sets up what it needs in .venv; nothing but Python 3.11+ and make is required.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
HOME_DIR ?= .counterfoil

# The extras of pyproject.toml that `make demo` runs, and those that the tests need besides.
RUN := --extra member --extra desk --extra operator --group build
DEV := --extra dev --extra docs --extra pdf --extra hsm
COMPILE = $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-header --no-annotate --upgrade pyproject.toml


.PHONY: demo test kernels lint docs contracts bench mutations crash wheel lock clean help

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

demo: $(VENV)/.ready ## Run a whole consortium on this machine (ONCE=1 ends after the summary)
	$(BIN)/counterfoil --home $(HOME_DIR) demo $(if $(ONCE),--once)

test: $(VENV)/.ready-dev $(VENV)/foreign/.ready ## Run the tests
	$(BIN)/pytest -q -n 2 --dist loadfile

# A cache of its own: what is compiled with checks must not be taken for what is not.
kernels: $(VENV)/.ready-dev ## Run the kernels as plain Python, then with every index checked
	NUMBA_DISABLE_JIT=1 KERNEL_EXAMPLES=$(or $(EXAMPLES),40) \
	  $(BIN)/pytest -q -n 0 tests/anomaly/kernels tests/anomaly/engine/test_engine_against_brute_force.py
	NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=$(VENV)/numba-boundscheck KERNEL_EXAMPLES=$(or $(EXAMPLES),40) \
	  $(BIN)/pytest -q -n 0 tests/anomaly/kernels tests/anomaly/engine

lint: $(VENV)/.ready-dev ## Check style, types and the walls between the rooms
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.ready-dev ## Build the documentation site into build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

contracts: $(VENV)/.ready-dev ## Recompile the contracts (needs node and npm)
	npm --prefix contracts ci --no-audit --no-fund --silent
	$(BIN)/python -m contracts.build

bench: $(VENV)/.ready-dev ## Measure every stage against one row per transaction
	$(BIN)/python -m bench

mutations: $(VENV)/.ready-dev $(VENV)/foreign/.ready ## Change proofs at random, 100,000 times, and verify them with two programs
	COUNTERFOIL_MUTATIONS=$(or $(COUNT),100000) $(BIN)/pytest -q -n 2 -m mutations tests/adversary/test_mutations.py

crash: $(VENV)/.ready-dev ## Kill real processes at random moments, many times
	COUNTERFOIL_CRASH_ROUNDS=$(or $(ROUNDS),200) $(BIN)/pytest -q -m crash

wheel: $(VENV)/.ready-dev ## Install the wheel with each extra alone and run that party's first command (slow)
	$(BIN)/pytest -q -n 0 -m wheel tests/system/test_wheel.py

lock: $(VENV)/.ready-dev ## Pin the newest allowed versions, with hashes
	$(BIN)/pip install -q uv
	$(COMPILE) $(RUN) -o requirements.lock
	$(COMPILE) $(RUN) $(DEV) -c requirements.lock -o requirements-dev.lock

clean: ## Remove the environment and the demo's state
	rm -rf $(VENV) $(HOME_DIR)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e '.[member,desk,operator]'
	@touch $@

$(VENV)/.ready-dev: requirements-dev.lock $(VENV)/.ready
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# Software of others that the tests use; it is not installed beside the project's own packages.
$(VENV)/foreign/.ready: requirements-foreign.lock | $(VENV)/.ready-dev
	rm -rf $(VENV)/foreign
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --only-binary=:all: --ignore-requires-python \
	  --require-hashes --target $(VENV)/foreign -r requirements-foreign.lock
	@touch $@
