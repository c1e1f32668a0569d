# `make train` and `make test` set up what they need in .venv and run; `make help` lists the rest.

PYTHON ?=
TORCH ?=
TORCH_INDEX ?=
ENV ?=
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cbm_plugin
CONFIG ?= configs/recognition/cbm15_scratch_1xb32-6to10x1x2-10e_motion-clips-rgb.py
WORK_DIR ?= work_dirs/$(basename $(notdir $(CONFIG)))
ARGS ?=

ifeq ($(ENV),)
RUN = .venv/bin/python
SET_UP = $(or $(PYTHON),python3) tools/setup/prepare.py
CHOICES = --cache '$(CACHE)' $(if $(PYTHON),--this-python) \
          $(if $(TORCH),--torch '$(TORCH)') $(if $(TORCH_INDEX),--torch-index '$(TORCH_INDEX)')
READY_TO_TRAIN = @$(SET_UP) train $(CHOICES)
READY_TO_TEST = @$(SET_UP) tests $(CHOICES)
else
# an environment of the user's: looked at, never changed; the package is taken from this checkout
RUN = $(ENV)/bin/python
export PYTHONPATH := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))
READY_TO_TRAIN = $(RUN) -m cbm_plugin
READY_TO_TEST = $(RUN) -m cbm_plugin --tests
endif

.PHONY: help env env-tests train test lint coverage soak report clean

help:
	@echo 'make train       set up for training (minutes, the first time), then train and test CONFIG'
	@echo 'make test        complete the set-up (compiles mmcv once, 6 to 10 minutes), then run pytest'
	@echo 'make lint        ruff on everything, its format and mypy on layers and overlap'
	@echo 'make coverage    the tests, and what they executed, package by package'
	@echo 'make soak        1 1/2 hours of faults (ARGS=--quick: minutes), and a table of what survived'
	@echo 'make env         only the set-up for training'
	@echo 'make env-tests   only the set-up for the tests'
	@echo 'make report      what is installed, against what was tested'
	@echo 'make clean       remove .venv and build leftovers; keeps work_dirs, data and the cache'
	@echo
	@echo 'Variables, as in: make train CONFIG=configs/... ARGS="--amp"'
	@echo 'CONFIG       what to train               $(CONFIG)'
	@echo 'WORK_DIR     where its results go        $(WORK_DIR)'
	@echo 'ARGS         more for tools/train.py, for pytest, or for the soak (ARGS=--help)'
	@echo 'PYTHON       makes .venv                 python3'
	@echo 'TORCH        version or pip requirement  the tested one, requirements/tested.txt'
	@echo 'TORCH_INDEX  package index that has it   that of pip'
	@echo 'ENV          an existing environment, used as it is: nothing is installed'
	@echo 'CACHE        keeps the compiled mmcv     $(CACHE)'
	@echo 'PYTHON, TORCH and TORCH_INDEX are remembered in .venv.'

env:
	$(READY_TO_TRAIN)

env-tests:
	$(READY_TO_TEST)

train:
	$(READY_TO_TRAIN)
	$(RUN) tools/train.py '$(CONFIG)' --work-dir '$(WORK_DIR)' $(ARGS)

# one process for each core, one thread each; a file of tests stays in one process
test:
	$(READY_TO_TEST)
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto --dist loadfile $(ARGS)

lint:
	$(READY_TO_TEST)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check cbm_plugin/layers cbm_plugin/overlap
	$(RUN) -m mypy

# slower than `make test`: executed lines are counted, in every process that a test starts
coverage:
	$(READY_TO_TEST)
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto --dist loadfile --cov --cov-report= $(ARGS)
	$(RUN) tools/setup/coverage_by_room.py cbm_plugin $(if $(ARGS),,--into docs/reliability.md)

# a finished subject is not run again until the code changes
soak:
	$(READY_TO_TEST)
	OMP_NUM_THREADS=1 $(RUN) -m tests.faults.soak $(ARGS)

report:
	@test -x $(RUN) || { echo 'no $(RUN) yet: make env' >&2; exit 1; }
	@$(RUN) -m cbm_plugin

clean:
	rm -rf .venv .venv.lock build dist cbm_plugin.egg-info .pytest_cache .mypy_cache .ruff_cache \
	    .hypothesis .coverage .coverage.* htmlcov
	find cbm_plugin tests tools configs -name __pycache__ -prune -exec rm -rf {} +
	@echo 'kept: work_dirs, data, and the compiled mmcv in $(CACHE)'
