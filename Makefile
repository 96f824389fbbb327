# Everything a newcomer needs: `make demo` and `make test` set themselves up.
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Kernels of the detectors as machine code, beside their sources or in the user's cache (numba decides), where every
# process of this user finds them. Compiling takes some 13 s of CPU; a detect role without them does it at its start.
KERNELS := $(VENV)/.kernels
# Most tests wait for something: three files at a time keep two cores busy.
PYTEST := $(BIN)/python -m pytest --numprocesses 3 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo test targets fleet quick check format docs lock setup benchmarks clean

help: ## Show this.
	@echo "Tidegate: notices what goes wrong in a fleet, repairs it with your playbooks, writes down why."
	@echo
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-11s %s\n", $$1, $$2 }'
	@echo
	@echo "Needs Python 3.12 or newer, make, and the package registries. Start with: make demo"

setup: $(READY) $(KERNELS) ## Virtual environment with the locked dependencies (done by every other target).

$(READY): requirements/development.txt pyproject.toml deploy/find-python
	@echo "Setting up $(VENV): about a minute the first time."
	@python=$$(deploy/find-python) && "$$python" -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/development.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

$(KERNELS): $(READY) detectors/compiled.py $(wildcard detectors/memory/*.py detectors/vitals/*.py)
	@echo "Compiling the detectors."
	$(BIN)/python -m detectors
	@touch $@

demo: $(READY) $(KERNELS) ## A small live fleet, a real fault, a real repair: watch it happen (under 3 minutes).
	$(BIN)/tidegate demo

test: check targets $(KERNELS) ## All checks and all tests, on a real Kafka and a real ansible-playbook.
	$(PYTEST) -m "not alone"
	$(BIN)/python -m pytest -m alone

targets: $(READY) ## What tests on real targets need: packages, collections, a disk (as root on Debian; done by test).
	$(BIN)/python -m deploy.testfleet prepare
	@test ! -x deploy/collections || $(BIN)/python deploy/collections > /dev/null

fleet: targets ## Three real systemd hosts to try playbooks on, until Ctrl-C.
	$(BIN)/python -m deploy.testfleet up web-1 web-2 web-3

quick: $(READY) $(KERNELS) ## The tests that take no minutes.
	$(PYTEST) -m "not slow"

check: $(READY) ## Style, types, import directions, playbooks.
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/ansible-lint --offline --profile production -q -c playbooks/.ansible-lint playbooks

format: $(READY) ## Put the code in form.
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --fix --quiet .

docs: $(READY) ## Write the generated pages of docs/ anew.
	$(BIN)/python -m docs.generate

benchmarks: $(READY) $(KERNELS) ## Throughput and latency, as ratios within one run.
	$(BIN)/python -m benchmarks.transport
	$(BIN)/python -m benchmarks.latency
	$(BIN)/python -m benchmarks.runner

lock: ## Resolve the dependencies anew into requirements/ (needs uv).
	uv pip compile pyproject.toml --universal --python-version 3.12 --generate-hashes --no-emit-index-url \
		--no-header --no-annotate --quiet --upgrade --output-file requirements/runtime.txt
	uv pip compile pyproject.toml --group dev --universal --python-version 3.12 --generate-hashes --no-emit-index-url \
		--no-header --no-annotate --quiet --constraint requirements/runtime.txt --output-file requirements/development.txt

clean: ## Remove the virtual environment and caches.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .state
