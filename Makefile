# `make help` lists the targets. Each one that works on a run prints and runs one `evonas` command.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# The libraries that ours is measured beside, and ours, in an environment of their own.
PEERS := .venv-peers
PEERS_STAMP := $(PEERS)/.installed
BENCH := $(or $(PARTS),evaluation peers driver start workers scheduling)

# The interpreter .venv is made with; 3.11 is the tested one.
PYTHON ?= $(shell command -v python3.11 || command -v python3)

# A misspelt variable would silently start the default run.
VARIABLES := DATASET DATA_DIR SPACE POPULATION GENERATIONS WORKERS SEED RUN CSV FIGURE ELITE EPOCHS DEVICE NAME SIZE TABLE PROXIES ONLY DISTINCT COLUMNS LIMIT PARTS PYTHON VENV
UNKNOWN := $(filter-out $(VARIABLES),$(foreach v,$(.VARIABLES),$(if $(findstring command line,$(origin $(v))),$(v))))
ifneq ($(strip $(UNKNOWN)),)
$(error unknown variable $(UNKNOWN); known: $(VARIABLES))
endif

# `$(call flag,--seed,$(SEED))` is "--seed 3" where SEED=3 was given, and nothing where it was not.
flag = $(if $(strip $(2)), $(1) '$(strip $(2))')
need_run = $(if $(strip $(RUN)),,$(error say which run: make $@ RUN=runs/<name>))
EXPERIMENTS = $(notdir $(basename $(shell grep -l '^\[sizes' experiments/*.toml experiments/claims/*.toml)))

.PHONY: help install evolve resume front train experiment rank test test-slow lint format bench clean

help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## Make .venv and install evonas with its tools

$(STAMP): setup.cfg constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'evonas needs Python 3.11 or newer; say where it is: make install PYTHON=/path/to/python3.11' >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install -c constraints.txt -e '.[dev,bench]'
	@touch $@

evolve: $(STAMP) ## Evolve; DATASET=digits|fashion_mnist|cifar10|FILE.npz DATA_DIR= SPACE= POPULATION= GENERATIONS= WORKERS= SEED= RUN=
	$(BIN)/evonas evolve$(call flag,--dataset,$(DATASET))$(call flag,--data-dir,$(DATA_DIR))$(call flag,--space,$(SPACE))$(call flag,--population,$(POPULATION))$(call flag,--generations,$(GENERATIONS))$(call flag,--workers,$(WORKERS))$(call flag,--seed,$(SEED))$(call flag,--run-dir,$(RUN))

resume: $(STAMP) ## Go on with RUN=runs/<name>; GENERATIONS= WORKERS=
	$(need_run)$(BIN)/evonas resume '$(RUN)'$(call flag,--generations,$(GENERATIONS))$(call flag,--workers,$(WORKERS))

front: $(STAMP) ## Print the front of RUN=runs/<name>; CSV= FIGURE=
	$(need_run)$(BIN)/evonas front '$(RUN)'$(call flag,--csv,$(CSV))$(call flag,--figure,$(FIGURE))

train: $(STAMP) ## Train a network of RUN=runs/<name>, the knee if not ELITE=; EPOCHS= DEVICE=
	$(need_run)$(BIN)/evonas train '$(RUN)'$(call flag,--elite,$(ELITE))$(call flag,--epochs,$(EPOCHS))$(call flag,--device,$(DEVICE))

experiment: $(STAMP) ## Answer the question of NAME=<one of experiments/>; SIZE=smoke|small|paper DATA_DIR= WORKERS= DEVICE= RUN=
	$(if $(strip $(NAME)),,$(error say which experiment: make $@ NAME=<one of: $(EXPERIMENTS)>))$(BIN)/evonas experiment '$(strip $(NAME))'$(call flag,--size,$(SIZE))$(call flag,--run-dir,$(RUN))$(call flag,--data-dir,$(DATA_DIR))$(call flag,--workers,$(WORKERS))$(call flag,--device,$(DEVICE))

rank: $(STAMP) ## Rank proxies on TABLE=FILE.csv|FOLDER SPACE=; PROXIES= ONLY= DISTINCT= COLUMNS= DATASET= DATA_DIR= LIMIT= WORKERS= CSV= FIGURE= RUN=
	$(if $(strip $(TABLE)),,$(error say which table: make $@ TABLE=<CSV or folder> SPACE=<its space>))$(BIN)/evonas rank '$(strip $(TABLE))' --space '$(or $(strip $(SPACE)),spikenas_bench)'$(call flag,--proxies,$(PROXIES))$(call flag,--only,$(ONLY))$(call flag,--distinct,$(DISTINCT))$(call flag,--columns,$(COLUMNS))$(call flag,--dataset,$(DATASET))$(call flag,--data-dir,$(DATA_DIR))$(call flag,--limit,$(LIMIT))$(call flag,--workers,$(WORKERS))$(call flag,--csv,$(CSV))$(call flag,--figure,$(FIGURE))$(call flag,--run-dir,$(RUN))

test: $(STAMP) ## Run every fast test
	$(BIN)/python -m pytest -m 'not slow'

test-slow: $(STAMP) ## Run the slow tests: Ray, real data, kill and resume
	$(BIN)/python -m pytest -m slow

lint: $(STAMP) ## Check style, types and import directions
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## Put every file into the one format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(STAMP) $(if $(filter peers,$(BENCH)),$(PEERS_STAMP)) ## Measure the speed; PARTS="evaluation peers driver start workers scheduling" DATA_DIR=
	@for part in $(BENCH); do \
		case $$part in \
			peers) set -- $(PEERS)/bin/python benchmarks/speed_peers.py $(call flag,--root,$(DATA_DIR)) ;; \
			evaluation|start|workers) set -- $(BIN)/python benchmarks/speed_$$part.py $(call flag,--root,$(DATA_DIR)) ;; \
			driver|scheduling|neurons|resnet152) set -- $(BIN)/python benchmarks/speed_$$part.py ;; \
			*) echo "PARTS: expected some of evaluation peers driver start workers scheduling neurons resnet152, got $$part" >&2; exit 2 ;; \
		esac; \
		echo; echo "$$*"; OMP_NUM_THREADS=1 "$$@" || exit; \
	done

$(PEERS_STAMP): benchmarks/peers-requirements.txt setup.cfg constraints.txt pyproject.toml
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install -c constraints.txt torch==2.13.0
	$(PEERS)/bin/python -m pip install -c constraints.txt -e '.[plots]'
	$(PEERS)/bin/python -m pip install --no-deps -r benchmarks/peers-requirements.txt
	@touch $@

clean: ## Remove the environments and caches; runs and data stay
	rm -rf $(VENV) $(PEERS) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find genomes evonas tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
