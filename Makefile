# The commands of the project; `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
PIP_COMPILE := $(VENV)/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header

setup:  ## install what is missing and make .venv
	@tools/setup.sh

run:  ## install what is missing, start the engine if none runs, and serve pynet; needs root
	@tools/run.sh

clean-host:  ## show what pynet's commands put on this host, ask, and take it away; refused while networks are in use (YES=1)
	@tools/clean.sh

test:  ## every ring of tests; without root unit and contract only (ARGS="-k name" for some)
	@tools/test.sh $(ARGS)

test-managed: setup  ## the engine ring with the managed plugin in the place of the service
	@tools/plugin.sh fetch
	PYNET_FORM=managed $(VENV)/bin/python -m pytest tests/engine $(ARGS)

test-cluster: setup  ## the faults of half a minute, on three hosts with real engines
	@tools/setup.sh cluster
	$(VENV)/bin/python -m pytest -s -o "python_files=test_*.py long_*.py" tests/cluster/overlay $(ARGS)

test-vm: setup  ## what needs another kernel, in a virtual machine, with up to 90 minutes
	@$(VENV)/bin/python -m tests.vm.packages
	PYNET_VM_LIMIT=5400 $(VENV)/bin/python -m pytest -o "python_files=test_*.py long_*.py" tests/vm $(ARGS)

test-dhcp: setup  ## leases of real servers over ten lease times and longer, and how long, how much CPU and memory they take
	$(VENV)/bin/python -m pytest -s tests/kernel/long_dhcp.py $(ARGS)

test-matrix: setup  ## the engine ring on every engine, with pynet in every form; writes docs/engines.md
	@tools/plugin.sh fetch
	@$(VENV)/bin/python -m tools.matrix $(ARGS)

check: setup  ## look: format, lint, types, import order, lengths, links of the documents
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python -m tools.budgets
	@tools/site/build.sh build --strict --quiet

docs: setup  ## the documents as a site, in build/site; open index.html there
	@tools/site/build.sh build --strict

docs-serve: setup  ## show the documents as a site while you write them
	@tools/site/build.sh serve

docs-shots: docs  ## pictures of the site in narrow and wide, light and dark windows, in build/shots; needs Chromium
	$(VENV)/bin/python -m tools.site.shots $(ARGS)

page-shots: setup  ## pictures of pynet page in three widths, light and dark, in build/shots, and one for docs; needs Chromium
	$(VENV)/bin/python -m tools.site.page_shots

docs-recording: setup  ## play the README's commands on an engine, and keep what they print for docs/pictures; needs root
	$(VENV)/bin/python -m tools.site.first_run
	$(VENV)/bin/python -m tools.site.pictures

lint: setup  ## mend what can be mended, the tables of options and settings, and the pictures
	$(VENV)/bin/python -m tools.option_tables
	$(VENV)/bin/python -m tools.dashboard
	$(VENV)/bin/python -m tools.site.pictures
	$(VENV)/bin/python -m tools.plugin.config
	$(VENV)/bin/python -m tools.plugin.licences
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: setup  ## bridge, pynet and the floor side by side (ENGINES="20.10 28.5" ROUNDS=20, TRAFFIC=1 for traffic alone)
	$(VENV)/bin/python -m bench.run

bench-cluster: setup  ## what a cluster store costs as hosts and endpoints grow (STORES="etcd zookeeper")
	@tools/setup.sh cluster
	$(VENV)/bin/python -m bench.cluster $(or $(STORES),etcd)

bench-hosts: setup  ## one network of many hosts, and what a frame to all costs (HOSTS=50 ENDPOINTS=10000 STORES="etcd consul")
	@tools/setup.sh cluster
	$(VENV)/bin/python -m bench.hosts $(or $(STORES),etcd)
	$(VENV)/bin/python -m bench.floods

bench-thousand: setup  ## an etcd under a thousand simulated hosts, 3 minutes (HOSTS=1000 ENDPOINTS=10000 NETWORKS=100)
	@tools/setup.sh cluster
	$(VENV)/bin/python -m bench.thousand

bench-overlay: setup  ## a network over hosts and swarm's: throughput, CPU, round trips, time until reached (ROUNDS=20)
	@tools/setup.sh cluster
	$(VENV)/bin/python -m bench.overlay

bench-direct: setup  ## a network that is routed between hosts, the tunnel, routes by hand and the hosts themselves (ROUNDS=20)
	@tools/setup.sh cluster
	$(VENV)/bin/python -m bench.direct

bench-names: setup  ## how soon names are known on another host, and how long questions take (ENGINES="20.10 28.5" ROUNDS=20)
	@tools/setup.sh cluster
	$(VENV)/bin/python -m bench.names

bench-policy: setup  ## no policy, five entries and five thousand in turns: connections a second, time until open (ROUNDS=10)
	$(VENV)/bin/python -m bench.policy

bench-scale: setup  ## verbs, idle CPU, memory and healing with many networks, at most 10 minutes (SIZES="0 100" SECONDS=60)
	$(VENV)/bin/python -m bench.scale

bench-guard: setup  ## rules against another commit's and Docker's, in turns (BEFORE=HEAD~1 ROUNDS=40 NF=1)
	$(VENV)/bin/python -m bench.guard

bench-lan: setup  ## mode lan beside mode bridge, with gso and without, in turns (ROUNDS=12)
	$(VENV)/bin/python -m bench.lan

bench-limits: setup  ## rates within 15 % in both directions, pings beside them, and what limits cost (ROUNDS=3)
	$(VENV)/bin/python -m bench.limits

torture: setup  ## kill pynet at every step, below twenty containers, and let 500 networks come and go (up to 18 minutes)
	$(VENV)/bin/python -m tests.torture $(PARTS)

trial: setup  ## play newcomer, Compose user, administrator and operator on bare Debian 12 and 13 (SUITES=trixie PARTS=newcomer)
	$(VENV)/bin/python -m tests.trial $(SUITES)

record: setup  ## record what an engine sends as contract data (ENGINE=28.5)
	$(VENV)/bin/python -m tests.record $(or $(ENGINE),20.10 26.1 28.5)

wheel: setup  ## dist/pynet-VERSION-py3-none-any.whl, built with what the lock file names
	@tools/wheel.sh

deb: setup  ## dist/pynet_VERSION_all.deb, for every Debian and Ubuntu with Python 3.11 or newer
	@$(VENV)/bin/python -m tools.package.deb

rpm: setup  ## dist/pynet-VERSION-1.noarch.rpm, for every distribution with RPM and Python 3.11 or newer; needs rpmbuild
	@$(VENV)/bin/python -m tools.package.rpm

release: setup  ## dist/VERSION: packages, plugin, bills of materials, notes, checksums; needs rpmbuild and the engine
	@$(VENV)/bin/python -m tools.package.release

release-check: setup  ## make the release twice, in different folders, and compare every byte
	@$(VENV)/bin/python -m tools.package.release check

plugin:  ## build the managed plugin and give it to the engine; again is an upgrade (BASE=image)
	@tools/plugin.sh

plugin-figures:  ## size, memory and time to start of the managed plugin
	@tools/plugin.sh figures

plugin-remove:  ## remove the managed plugin and its state; refused while it has networks
	@tools/plugin.sh remove

audit: setup  ## ask the package index for known weaknesses of what is in the lock files; needs the network
	@$(VENV)/bin/python -m tools.audit

lock:  ## write the lock files anew from setup.cfg
	$(VENV)/bin/pip install --quiet pip-tools
	$(PIP_COMPILE) --build-deps-for editable --output-file requirements.lock setup.cfg
	$(PIP_COMPILE) --build-deps-for editable --extra dev --output-file requirements-dev.lock setup.cfg
	$(PIP_COMPILE) --output-file requirements-docs.lock tools/site/requirements.in
	$(PIP_COMPILE) --output-file requirements-release.lock tools/package/requirements.in

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: docs docs-serve docs-shots page-shots docs-recording setup run test test-managed check lint bench torture record plugin plugin-figures plugin-remove audit lock help bench-cluster bench-hosts bench-thousand bench-overlay bench-direct bench-names bench-guard bench-lan bench-limits bench-scale test-cluster test-matrix test-vm wheel deb rpm release release-check trial test-dhcp
