# The commands of the project; `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
PIP_COMPILE := $(VENV)/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --build-deps-for editable \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header

setup:  ## install what is missing and make .venv
	@tools/setup.sh

run: setup  ## start the engine if none runs, and serve pynet
	@tools/run.sh

test: setup  ## every ring of tests; without root unit and contract only (ARGS="-k name" for some)
	@tools/test.sh $(ARGS)

test-matrix: setup  ## the engine ring on every engine, with pynet in every form; writes docs/engines.md
	@$(VENV)/bin/python -m tools.matrix $(ARGS)

check: setup  ## look: format, lint, types, import order
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

lint: setup  ## mend what can be mended, and the tables of the README
	$(VENV)/bin/python -m tools.readme_tables
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: setup  ## bridge, pynet and the floor side by side (ENGINES="20.10 28.5" ROUNDS=20)
	$(VENV)/bin/python -m bench.run

torture: setup  ## kill pynet at every step, below twenty containers, and let 500 networks come and go (15 minutes)
	$(VENV)/bin/python -m tests.torture $(PARTS)

record: setup  ## record what an engine sends as contract data (ENGINE=28.5)
	$(VENV)/bin/python -m tests.record $(or $(ENGINE),20.10 26.1 28.5)

wheel: setup  ## dist/pynet-VERSION-py3-none-any.whl, built with what the lock file names
	@tools/wheel.sh

deb: setup  ## dist/pynet_VERSION_ARCH.deb, with systemd units and a virtual environment of its own
	@tools/deb.sh

lock:  ## write the lock files anew from setup.cfg
	$(VENV)/bin/pip install --quiet pip-tools
	$(PIP_COMPILE) --output-file requirements.lock setup.cfg
	$(PIP_COMPILE) --extra dev --output-file requirements-dev.lock setup.cfg

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup run test test-matrix check lint bench torture record wheel deb lock help
