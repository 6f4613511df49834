# Everything sets itself up: Python >= 3.11 with pip, and make, are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# pytest-celery loads itself wherever it is installed: it has an environment of its own.
CONTAINERS := .venv-containers
CONTAINERS_READY := $(CONTAINERS)/.ready

.PHONY: demo test test-chaos test-operations test-containers soak compatibility check fix bench bench-full up down \
	images-offline clean

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "farm_tasks needs Python 3.11 or newer: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $@

$(CONTAINERS_READY): pyproject.toml
	$(PYTHON) -m venv $(CONTAINERS)
	$(CONTAINERS)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(CONTAINERS)/bin/python -m pip install --quiet --disable-pip-version-check --editable . --group containers
	@touch $@

demo: $(READY)  ## A real Kitsu, Redis and worker on this machine, and a movie through them
	$(BIN)/farm-tasks demo

test: $(READY)  ## All tests, on real parts
	$(BIN)/python -m pytest -m 'not alone and not chaos and not operations and not containers' --numprocesses 3 --dist loadfile
	$(BIN)/python -m pytest -m alone

# Six at a time on two cores: they wait for minutes, and four took 30 % of the CPU.
test-chaos: $(READY)  ## What takes longer: faults at every phase of a publish, dying workers, secrets, the demo
	$(BIN)/python -m pytest -m chaos --numprocesses 6 --dist load --maxschedchunk 1

test-operations: $(READY)  ## What needs a browser, Prometheus or systemd: Flower as a person sees it, alerts, units
	$(BIN)/python -m pytest -m operations --numprocesses 2 --dist loadfile

test-containers: $(CONTAINERS_READY)  ## The compose file and pytest-celery on a Docker engine; root starts one if need be
	$(CONTAINERS)/bin/python -m tests.containers

soak: $(READY)  ## Hundreds of publishes under random faults: RUNS=200 MINUTES=40 SEED=...
	$(BIN)/python -m tests.chaos.soak --runs $(or $(RUNS),200) --minutes $(or $(MINUTES),40) \
		$(if $(SEED),--seed $(SEED)) --write

compatibility: $(READY)  ## Which versions of Celery, kombu and redis-py pass; installs each
	$(BIN)/python -m tests.compatibility

check: $(READY)  ## What CI checks before the tests
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(READY)  ## Mend what the formatter and the linter can
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(READY)  ## Speed, memory and scale, in short; fails where a floor is broken
	$(BIN)/python -m tests.benchmarks

bench-full: $(READY)  ## All of it, for an hour or so; writes docs/performance.md and its pictures
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench
	$(BIN)/python -m tests.benchmarks --full --document

up:  ## The farm in containers: PROFILES="kitsu prometheus" SERVICES="upload-worker"
	@$(if $(PROFILES),PROFILES="$(PROFILES)") worker_config/farm.sh up $(SERVICES)

down:  ## End it; its volumes stay
	worker_config/farm.sh down

images-offline: $(READY)  ## Base images from Debian packages, and wheels, for hosts without a registry; as root
	PYTHON=$(BIN)/python worker_config/images/build.sh

clean:
	rm -rf $(VENV) $(CONTAINERS) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
