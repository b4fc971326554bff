# `make demo` and `make test` do everything from nothing: Python 3.11+ and make are enough.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
SEEDS ?= 1000
FIRST ?= 0

.DEFAULT_GOAL := help
.PHONY: help demo test exhaustive lint lint-page docs pictures simulate coverage lowest measure bench bench-quick constraints clean

help: ## Say what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/run: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "batchveo needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/dev: $(VENV)/run
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(VENV)/docs: $(VENV)/run
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@touch $@

$(VENV)/bench: $(VENV)/dev
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	@touch $@

demo: $(VENV)/run ## Run manifests/quickstart.yaml on the embedded sandbox; costs nothing
	$(BIN)/batchveo run manifests/quickstart.yaml --sandbox --state demo/batchveo.db --output demo/videos
	@echo
	@$(BIN)/batchveo jobs --state demo/batchveo.db
	@echo
	@ls -l demo/videos/*.mp4

test: $(VENV)/dev $(VENV)/browser ## Run the tests, on all cores; in about three minutes
	$(BIN)/python -m pytest -n auto

exhaustive: $(VENV)/dev $(VENV)/browser ## Run what `make test` leaves out: further cases, browsers, clusters
	$(BIN)/python -m pytest -n auto --exhaustive -m exhaustive

# the tests look at the page with Chromium, where there is one or apt brings it; else they skip that
$(VENV)/browser: $(VENV)/run
	@command -v chromium-headless-shell >/dev/null || { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] \
		&& { echo "installing chromium"; apt-get update -qq; export DEBIAN_FRONTEND=noninteractive; \
		apt-get install -y -qq --no-install-recommends chromium-headless-shell || command -v chromium \
		|| apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1; } || true
	@touch $@

lint: $(VENV)/dev ## Check style, types and the layers of imports; with npm, the page's JavaScript too
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory lint-page; \
		else echo "npm is missing: the page's JavaScript and CSS are not checked"; fi

node_modules/.made: package.json # the version stands in package.json
	npm install --silent --no-package-lock --no-audit --no-fund
	@touch $@

lint-page: node_modules/.made # biome checks style and form of the page's JavaScript and CSS
	npx biome ci --colors=off

docs: $(VENV)/docs ## Build the documentation into site/; a warning or a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

pictures: $(VENV)/dev ## Make the pictures of the docs anew, from a run on the sandbox; needs tmux and chromium
	$(BIN)/python -m tools.make_pictures

simulate: $(VENV)/dev ## Live through simulated nights: make simulate SEEDS=1000 FIRST=0
	$(BIN)/python -m tests.simulation.night $(SEEDS) $(FIRST)

coverage: $(VENV)/dev ## Run the tests with branch coverage
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage report

lowest: ## Install the lowest versions that pyproject.toml allows, and run the demo with them
	PYTHON=$(PYTHON) .ci/lowest

measure: $(VENV)/dev ## Print the figures of layout, names, size and prose, each with its goal
	$(BIN)/python -m tools.measure

bench: $(VENV)/bench ## Measure everything, full size, forty minutes: make bench ONLY="night polling"
	$(BIN)/python -m benchmarks $(ONLY)

bench-quick: $(VENV)/bench ## Measure everything, reduced, some two minutes
	$(BIN)/python -m benchmarks --quick $(ONLY)

constraints: ## Pin the newest versions that work together into constraints.txt
	$(PYTHON) -m venv .venv-pins
	.venv-pins/bin/pip install --quiet --disable-pip-version-check '.[dev,bench]'
	(echo '# Made by `make constraints`: versions that were tested together.'; \
		.venv-pins/bin/pip freeze --exclude batchveo) > constraints.txt
	rm -rf .venv-pins build

clean: ## Remove the environment, the demo and what the benchmarks keep
	rm -rf $(VENV) demo benchmarks/.cache node_modules
