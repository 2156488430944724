# `make` alone prints what there is to make.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
SOURCE ?= synthetic
FILES ?=
SYMBOLS ?=
KILLS ?= 300
SEEDS ?= 500
RUNS ?= 100
SEED ?= 1
DAYS ?= 365
export DAGSTER_HOME ?= $(CURDIR)/data/dagster_home

.DEFAULT_GOAL := help
.PHONY: help install demo ui test lint daemon soak storm crashes exports tuning-kills controls benchmark kill resume torture outage network bench screenshots lock clean

help: ## Show what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

install: .venv/.installed ## Create .venv and install the locked dependencies

.venv/.installed: pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev]'
	touch $@

demo: install ## Run the whole graph: SOURCE=synthetic, files FILES=<folder>, binance, polygon (SYMBOLS="BTC-USDT")
	$(BIN)/crypto-nn demo --source $(SOURCE) $(foreach f,$(FILES),--files $(f)) $(foreach s,$(SYMBOLS),--symbol $(s))

ui: install ## Open the Dagster UI with its daemon on http://127.0.0.1:3000
	$(BIN)/dagster dev --host 127.0.0.1 --port 3000

test: install lint ## Run lint, types, arrows and all tests
	$(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder

lint: install ## Check style, types and the arrows between rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

daemon: install ## Run the platform with its daemon: a drifted day starts exactly one retraining
	CRYPTO_NN_DAEMON=1 $(BIN)/python -m pytest -s crypto_nn_tests/defs/test_running.py

soak: install ## Replay DAYS days through the real platform with outages and kills from SEED; prints the trace's hash
	$(BIN)/python -m crypto_nn_tests.soak --seed $(SEED) --days $(DAYS)

storm: install ## Drift for ever, 1,000 hours: never more retrainings than the budget
	CRYPTO_NN_STORM=1 $(BIN)/python -m pytest -q crypto_nn_tests/defs/test_storm.py

crashes: install ## Kill the daemon at each stage of a tick, with each signal; and launch one training twice
	CRYPTO_NN_CRASHES=all CRYPTO_NN_DOUBLE=1 $(BIN)/python -m pytest -q crypto_nn_tests/defs/test_crash_points.py crypto_nn_tests/defs/test_double_launch.py

exports: install ## Export every model, and hold its answers against torch's
	CRYPTO_NN_EXPORT_ALL=1 $(BIN)/python -m pytest -q crypto_nn_tests/inference/test_export.py -k every_model

resume: install ## Kill RUNS trainings twice at random moments, and resume them: the same bits are due
	CRYPTO_NN_TRAIN_KILLS=$(RUNS) $(BIN)/python -m pytest -q -s crypto_nn_tests/training/test_kills.py -k killed_training

kill: install ## Kill writers KILLS times at random moments; nothing may be torn, lost or doubled
	CRYPTO_NN_KILLS=$(KILLS) CRYPTO_NN_TRAIN_KILLS=20 $(BIN)/python -m pytest -m kill -s

torture: install ## Run the feed through SEEDS faulty exchanges; prints the seeds that fail
	$(BIN)/python -m crypto_nn_tests.torture --seeds $(SEEDS)

outage: install ## Kill Postgres for an hour of simulated time: 100,000 predictions, none lost, none doubled
	CRYPTO_NN_LONG=1 $(BIN)/python -m pytest -s crypto_nn_tests/store/database/test_outage.py

tuning-kills: install ## Kill three workers of a search ten times, with a journal and with Postgres
	CRYPTO_NN_TUNING_KILLS=10 $(BIN)/python -m pytest -s crypto_nn_tests/tuning/test_kills.py

controls: install ## Let the benchmark judge what has a known answer: no edge, known edges, planted leaks
	$(BIN)/crypto-nn controls --runs 200

benchmark: install ## The committed benchmark and its learnings again (hours; needs Binance's archive), and the README's section
	$(BIN)/crypto-nn benchmark --config benchmarks/majors.yaml --universe majors
	$(BIN)/crypto-nn benchmark --config benchmarks/majors.yaml --universe majors --arms --output docs/benchmark
	$(BIN)/python docs/benchmark_section.py

network: install ## Fetch real bars from Binance and, with POLYGON_API_KEY, from Polygon
	$(BIN)/python -m pytest -m network -s

bench: install ## Print our speed beside that of peers, as ratios
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[bench]'
	for program in benchmarks/*.py; do $(BIN)/python $$program; done

screenshots: install ## Take the pictures of the UI that the docs show (needs Chromium)
	$(BIN)/python docs/screenshots.py

lock: ## Renew requirements.lock from pyproject.toml
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --upgrade -e '.[dev,bench]'
	.venv-lock/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > requirements.lock
	rm -rf .venv-lock

clean: ## Remove what `make` made, but never data
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
