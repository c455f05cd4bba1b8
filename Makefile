# Everything needs python3 (3.11 or newer, with venv) and make; the rest is set up here, in .venv.
PYTHON ?= python3
PORT ?= 8888
VENV ?= .venv
READY := $(VENV)/ready
# The real Nova: only for those who want to ask it themselves; what it answered is recorded.
NOVA_VENV ?= .venv-nova
NOVA_READY := $(NOVA_VENV)/ready
BIN := $(VENV)/bin
NOTEBOOK := notebooks/01_nova_api.ipynb
# JupyterLab does not start for root without being told so; containers know no other user.
ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

define PYTHON_WILL_DO
@command -v $(PYTHON) >/dev/null || { echo "python3 is missing: install the package python3, 3.11 or newer" >&2; exit 1; }
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
    { echo "$$($(PYTHON) --version) is too old: give 3.11 or newer, as in make PYTHON=python3.12" >&2; exit 1; }
@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
    { echo "Python's venv is missing: install the package python3-venv" >&2; exit 1; }
endef

.PHONY: help lab test test-browser test-nova nova record notebook picture lock clean

help:
	@echo "make lab           open the notebook in JupyterLab (PORT=8888)"
	@echo "make test          run all tests but those in a browser and with the real Nova"
	@echo "make test-browser  run the notebook in JupyterLab in Chromium"
	@echo "make nova          install the real Nova (about 400 MB) in an environment of its own"
	@echo "make test-nova     compare the path with the real Nova, live"
	@echo "make record        let the real Nova answer anew all that is recorded of it"
	@echo "make notebook      draw diagrams/, write INSTRUCTOR.md and store the notebook's outputs anew"
	@echo "make picture       take the README's picture of the player anew, in a browser"
	@echo "make lock          pin the newest libraries in requirements.lock"

$(READY): requirements.lock pyproject.toml
	$(PYTHON_WILL_DO)
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock -e .
	@# No question about news from the network over the notebook.
	@$(BIN)/jupyter labextension disable --level=sys_prefix @jupyterlab/apputils-extension:announcements
	@touch $@

lab: $(READY)
	@command -v dot >/dev/null || echo "dot is missing, the pictures are drawn by pygraphviz: the package graphviz brings dot"
	$(BIN)/jupyter lab $(ROOT) --port=$(PORT) --LabApp.default_url=/lab/tree/$(NOTEBOOK) $(LABFLAGS)

nova: $(NOVA_READY)

$(NOVA_READY): requirements-nova.lock
	$(PYTHON_WILL_DO)
	@echo "The real Nova and its libraries take about 400 MB in $(NOVA_VENV), and a minute or two."
	$(PYTHON) -m venv --clear $(NOVA_VENV)
	$(NOVA_VENV)/bin/pip install --quiet --disable-pip-version-check -r requirements-nova.lock
	@touch $@

test: $(READY)
	$(BIN)/python -m pytest -m "not browser and not nova" $(TESTFLAGS)

test-browser: $(READY)
	$(BIN)/python -m pytest -m browser $(TESTFLAGS)

test-nova: $(READY) $(NOVA_READY)
	$(BIN)/python -m pytest -m nova $(TESTFLAGS)

record: $(READY) $(NOVA_READY)
	$(NOVA_VENV)/bin/python -m tests.contracts tests/data/contracts.json
	$(BIN)/python -m explorer record

notebook: $(READY)
	$(BIN)/python -m explorer diagrams
	$(BIN)/python -m explorer guide
	$(BIN)/python notebooks/refresh.py $(NOTEBOOK)

picture: test-browser
	cp build/screenshots/controller-light.png diagrams/player.png

lock: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra test --upgrade --no-header \
	    -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade --no-header -c requirements.lock \
	    -o requirements-nova.lock requirements-nova.in

clean:
	rm -rf $(VENV) $(NOVA_VENV)
