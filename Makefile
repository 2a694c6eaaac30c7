# One word for each thing that a contributor does. `make` alone lists the words.
# The tools come from VENV: the active virtual environment, else .venv, which `make setup` creates.

PYTHON ?= python3
VENV ?= $(or $(VIRTUAL_ENV),.venv)
BIN := $(abspath $(VENV))/bin

# What `make bench` runs, and with which options: `make bench BENCH=membership ARGS="--only update"`.
BENCH ?= http estimate fleet forward membership neighbours start
# The tests that reach conditions, dialects and API, for `make coverage`.
COVERING := tests/unit tests/dialects tests/server tests/membership/test_segment_webhooks.py \
	tests/membership/test_membership_kept_current.py tests/membership/test_indexed_segments.py \
	tests/membership/test_all_member_ids.py
# Options of pytest or of a benchmark: `make test ARGS="-k segments"`.
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup check lint format format-check types imports test fast test-all coverage docs docs-check \
	openapi openapi-check contract clients browser pgbouncer schemathesis sdks bench

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## Create .venv with what check, test and bench need
	$(PYTHON) -m venv .venv
	.venv/bin/pip install -q -e '.[test,bench,browser,outside]'

check: lint format-check types imports openapi-check docs-check ## Run all checks that need no test: ruff, format, mypy, imports, documents, pages

lint: ## Run the linter (ruff, all rules)
	$(BIN)/ruff check .

format: ## Format all Python files and mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

format-check: ## Fail if a Python file is not formatted
	$(BIN)/ruff format --check .

types: ## Check the types (mypy, strict)
	$(BIN)/mypy src tests

imports: ## Check the layers and the libraries that each may import (import-linter)
	$(BIN)/lint-imports

test: ## Run the test command of the README (5 minutes); it draws a database for each row of a test
	$(BIN)/pytest $(ARGS)

fast: ## Run the tests that need neither a process nor a database server (30 s); it draws rows, too
	$(BIN)/pytest -m fast $(ARGS)

test-all: contract clients browser pgbouncer schemathesis sdks ## Run every test at its full amount; needs node, curl, Chromium, pgbouncer and Java
	$(BIN)/pytest --full $(ARGS)

coverage: ## Fail if a branch of conditions, dialects or API is reached by no test; one database, fixed seed
	$(BIN)/pytest -q --cov --cov-report=term-missing:skip-covered --hostile 500 --random-seed 1 \
		-k "not postgresql" $(COVERING) $(ARGS)

docs: ## Write the rendered parts of the pages anew
	cd tests && $(BIN)/python -m render

docs-check: ## Fail if a rendered part of a page is not what the data says
	cd tests && $(BIN)/python -m render --check

openapi: ## Write the examples and the OpenAPI documents anew
	cd tests && $(BIN)/python -m tools.openapi_examples
	set -e; for file in openapi/*.json; do \
		$(BIN)/diglot openapi "$$(basename "$$file" .json)" --output "$$file"; done

openapi-check: ## Fail if an OpenAPI document is not what the code serves
	set -e; for file in openapi/*.json; do \
		$(BIN)/diglot openapi "$$(basename "$$file" .json)" --check "$$file"; done

contract: ## Compare the OpenAPI documents with those that clients were made from; needs node
	$(BIN)/pytest -m contract $(ARGS)

clients: ## Run the lines of the vendors' pages and of ours as people do; needs bash, curl, node and a network
	$(BIN)/pytest -m clients $(ARGS)

browser: ## Read the documentation and tell stories in the console in Chromium; needs it, and npm
	$(BIN)/pytest -m browser $(ARGS)

pgbouncer: ## Run stories, parallel writes and faults behind pgbouncer; needs it
	$(BIN)/pytest -m pgbouncer $(ARGS)

schemathesis: ## Try a server against its documents with Schemathesis, for minutes
	$(BIN)/pytest -m outside $(ARGS)

sdks: ## Make SDKs from the documents and tell a story with each; needs the extra "sdks", Java and node
	$(BIN)/pytest -m sdks $(ARGS)

bench: ## Run the benchmarks, or one: make bench BENCH=membership ARGS="--only update"
	set -e; cd tests; for one in $(BENCH); do $(BIN)/python -m bench $$one $(ARGS); done
