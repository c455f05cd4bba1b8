# You need python3 (3.11 or newer, with venv) and make. Everything else is installed here, in .venv.
PYTHON ?= python3
PORT ?= 8888
VENV ?= .venv
READY := $(VENV)/ready
# The real Nova, for live comparisons. Its recorded responses are part of the project.
NOVA_VENV ?= .venv-nova
NOVA_READY := $(NOVA_VENV)/ready
BIN := $(VENV)/bin
NOTEBOOK := notebooks/01_nova_api.ipynb
# JupyterLab refuses to run as root without this flag, and a container often has no other user.
ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
LABPORT := $(if $(findstring --port,$(LABFLAGS)),,--port=$(PORT))
# Settings of Jupyter and templates of nbconvert, at their places in an environment; settings/README.md describes them.
SETTINGS := $(shell find settings/etc settings/share -type f)
# Tests run in one process per processor, up to four. TESTFLAGS="-n 0" uses a single one; TESTS selects tests.
PARALLEL := -n logical --maxprocesses 4 --dist loadfile
PYTEST := $(BIN)/python -m pytest $(PARALLEL)

# The first line of a recipe that creates an environment: $(call create,FOLDER,LOCK FILE,MORE TO INSTALL).
define create
@command -v $(PYTHON) >/dev/null || \
    { echo "python3 is missing: install the package python3, 3.11 or newer" >&2; exit 1; }
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
    { echo "$$($(PYTHON) --version) is too old: use 3.11 or newer, as in make PYTHON=python3.12" >&2; exit 1; }
@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
    { echo "Python's venv is missing: install the package python3-venv" >&2; exit 1; }
@$(PYTHON) -m venv --clear $(1)
@$(1)/bin/python -m pip install --quiet --progress-bar off --disable-pip-version-check \
    -r $(2) $(3) 2>$(1)/pip.errors || \
    { echo "The libraries could not be installed. Check the network connection and run make again;" \
    "$(1)/pip.errors says what went wrong." >&2; exit 1; }
endef

.PHONY: help lab test test-browser test-nova check coverage mutants soak nova record notebook picture lock clean

help:
	@echo "make lab           open the notebook in JupyterLab (PORT=8888)"
	@echo "make test          run all tests except those that need a browser or the real Nova"
	@echo "make test-browser  run the notebook in JupyterLab in Chromium"
	@echo "make nova          install the real Nova (about 400 MB) in an environment of its own"
	@echo "make test-nova     compare the path with the real Nova, live"
	@echo "make check         run the linter and the type checker, and check wording and line lengths"
	@echo "make coverage      report which lines the tests run (Python 3.12 or newer)"
	@echo "make mutants       change the code in a hundred places and report which changes the tests notice"
	@echo "make soak          put the service under load, and kill and stop its parts (about ten minutes)"
	@echo "make record        record the real Nova's responses again"
	@echo "make notebook      redraw diagrams/, rewrite INSTRUCTOR.md and the outputs stored in the notebook"
	@echo "make picture       retake the README's picture of the player, in a browser"
	@echo "make lock          pin the newest libraries in requirements.lock"

$(READY): $(VENV)/installed $(SETTINGS)
	@cp -R settings/etc settings/share $(VENV)
	@touch $@

$(VENV)/installed: requirements.lock pyproject.toml
	@echo "Setting up $(VENV) with the required libraries: about 600 MB, one to three minutes, once."
	$(call create,$(VENV),requirements.lock,-e .)
	@touch $@

lab: $(READY)
	@command -v dot >/dev/null || \
	    echo "Graphviz's dot is not installed. The bundled pygraphviz draws the diagrams instead."
	@$(BIN)/jupyter trust $(NOTEBOOK) >/dev/null
	$(BIN)/jupyter lab $(ROOT) $(LABPORT) --LabApp.default_url=/lab/tree/$(NOTEBOOK) $(LABFLAGS)

nova: $(NOVA_READY)

$(NOVA_READY): requirements-nova.lock
	@echo "Setting up $(NOVA_VENV) with the real Nova and its libraries: about 400 MB, one to two minutes, once."
	$(call create,$(NOVA_VENV),requirements-nova.lock)
	@touch $@

test: $(READY)
	@$(BIN)/python -m compileall -q explorer tests  # once, not in each process that a test starts
	$(PYTEST) -m "not browser and not nova" $(TESTFLAGS) $(TESTS)

check: $(READY)
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python -m tests.prose

coverage: $(READY)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 12))' || { \
	    echo "coverage needs Python 3.12 or newer, as in make coverage PYTHON=python3.13 VENV=.venv-3.13" >&2; exit 1; }
	$(BIN)/python -m coverage erase
	COVERAGE_CORE=sysmon $(BIN)/python -m coverage run -m pytest $(PARALLEL) -m "not browser and not nova" $(TESTFLAGS)
	@# A process that a test killed leaves a half-written file behind.
	-@$(BIN)/python -m coverage combine --quiet 2>/dev/null; rm -f build/coverage/data.*
	$(BIN)/python -m coverage report

mutants: $(READY)
	$(BIN)/python -m tests.mutants $(MUTANTFLAGS)

soak: $(READY)
	$(BIN)/python -m tests.soak $(CHECKS)

# These tests share one process, because some of them measure time.
test-browser: $(READY)
	$(BIN)/python -m pytest -m browser $(TESTFLAGS)

test-nova: $(READY) $(NOVA_READY)
	$(PYTEST) -m nova $(TESTFLAGS)

record: $(READY) $(NOVA_READY)
	$(NOVA_VENV)/bin/python -m tests.contracts tests/data/contracts.json
	$(BIN)/python -m explorer record

notebook: $(READY)
	$(BIN)/python -m explorer diagrams
	$(BIN)/python -m explorer guide
	$(BIN)/python notebooks/refresh.py $(NOTEBOOK)

picture: test-browser
	cp build/screenshots/player.png diagrams/player.png

lock: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra test --upgrade --no-header \
	    -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade --no-header -c requirements.lock \
	    -o requirements-nova.lock requirements-nova.in

clean:
	rm -rf $(VENV) $(NOVA_VENV)
