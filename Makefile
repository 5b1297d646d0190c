# make demo   set up, run the main job on real flight data, show the report's path
# make test   set up, run the tests: first test-unit, then test-servers, each of which tells its time
# make services  start real servers on loopback, for developing connectors
# make check  lint, format, types, layers, docs fresh      make bench  speed and memory, as ratios
# make bench-connectors  databases, streams, stores and APIs beside their bare clients
# make bench-catalogue   every module beside the same by hand      make bench-quality DATA=DIR  how well errors are found

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-unit test-servers check bench bench-connectors bench-catalogue bench-quality services docs clean

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "qpipe needs Python 3.11 or newer; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $(READY)

demo: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" sh specs/flights/demo.sh

test: test-unit test-servers

# some wait for a process or a clock: one worker more than cores
test-unit: $(READY)
	$(BIN)/python -m pytest -n $$(( 1 + $$(getconf _NPROCESSORS_ONLN) )) --dist worksteal -m "not servers"

# they wait more than they compute: twice as many workers as cores
test-servers: $(READY)
	$(BIN)/python -m pytest -n $$(( 2 * $$(getconf _NPROCESSORS_ONLN) )) --dist loadgroup -m servers

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_layers.py tests/test_docs.py

services: $(READY)
	$(BIN)/python -m tests.servers

docs: $(READY)
	$(BIN)/python -m docs.build

bench: $(READY)
	$(BIN)/python -m benchmarks $(ARGS)

bench-connectors: $(READY)
	$(BIN)/python -m benchmarks.databases $(ARGS)
	$(BIN)/python -m benchmarks.streams
	$(BIN)/python -m benchmarks.remote

bench-catalogue: $(READY)
	$(BIN)/python -m benchmarks.catalogue $(ARGS)
	$(BIN)/python -m benchmarks.profile

bench-quality: $(READY)
	$(BIN)/python -m benchmarks.quality $(DATA)

clean:
	rm -rf $(VENV) bench-data bench-out out specs/*/out specs/*/.qpipe
