# The front door. `make demo` and `make test` set themselves up; both need only Python 3.11 or newer, and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# One thread a process: the work is many small tasks, and threads that wait for each other cost more than they give.
export OMP_NUM_THREADS ?= 1
JOBS ?= 2
export MLFLOW_DISABLE_TELEMETRY ?= true

.PHONY: demo test test-long lint report clean help
.DEFAULT_GOAL := help

help:
	@echo "make demo       find the smallest acceptable student on UCI Adult (two to five minutes after set-up)"
	@echo "make test       everything CI runs"
	@echo "make test-long  the longer proofs"
	@echo "make lint       ruff, mypy, import contracts"
	@echo "make report     render the demo's report again"

# The pinned versions are what the project is tested with; where they cannot be had, the floors of pyproject.toml hold.
define install
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 $@"; exit 2; }
	@echo "installing into $(VENV): $(1)"
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e "$(1)" \
	  || { echo "the pinned versions cannot be had here: taking newer ones"; \
	       $(BIN)/pip install -q --disable-pip-version-check -e "$(1)"; }
	@touch $@
endef

$(VENV)/.installed: pyproject.toml constraints.txt
	$(call install,.)

$(VENV)/.installed-dev: pyproject.toml constraints.txt
	$(call install,.[dev])

demo: $(VENV)/.installed
	$(BIN)/autodistill search search_spaces/adult_income.yaml

report: $(VENV)/.installed
	$(BIN)/autodistill report reports/adult-income

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Two processes, a file of tests each: nothing in a test file may depend on another.
test: lint
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e ".[ray]" \
	  || echo "Ray cannot be had here: its tests are skipped by name"
	$(BIN)/pytest -m "not long" -n $(JOBS) --dist loadfile

test-long: $(VENV)/.installed-dev
	$(BIN)/pytest -m long

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
