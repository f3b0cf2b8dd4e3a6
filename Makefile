# The commands of the project; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
PIP_COMPILE := $(VENV)/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --build-deps-for editable \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header

lock:  ## write the lock files anew from setup.cfg
	$(VENV)/bin/pip install --quiet pip-tools
	$(PIP_COMPILE) --output-file requirements.lock setup.cfg
	$(PIP_COMPILE) --extra dev --output-file requirements-dev.lock setup.cfg

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: help lock
