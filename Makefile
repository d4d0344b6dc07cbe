# Two commands set everything up: `make run` and `make test`. They need Python 3.11+ and a package registry, no more.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ENGINES := tests/engines/node_modules
MANIFEST ?= manifests/cloud-hop/cloud-hop.yaml
WORKERS ?= 1
RUNS ?= 200
KILLS ?= 30
TRIALS ?= 100
DATABASE ?= sqlite

export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
# Empty: bytecode is kept, also where an environment says otherwise. Tests start hundreds of programs of ours.
export PYTHONDONTWRITEBYTECODE :=

# Where nothing names a Prefect server, the three targets of one mean the local one.
LOCAL_API := $(if $(PREFECT_API_URL)$(shell grep -sE '^PREFECT_API_URL=.' .env),,PREFECT_API_URL=http://127.0.0.1:4200/api)

.PHONY: help run test test-engines engine-tools check fmt lock bench fuzz chaos chaos-kill costs plans kills crash machines thousand submissions budgets screenshots docs ui server servers worker deploy clean

help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: $(VENV)/run.stamp ## The example manifest end to end on the local draft endpoint
	$(BIN)/assetmill run $(MANIFEST) --endpoint draft

test: $(VENV)/dev.stamp ## Every test
	$(BIN)/python -m pytest -q -n 4 tests --ignore=tests/engines

test-engines: $(VENV)/dev.stamp engine-tools $(ENGINES)/installed.stamp ## Game engines load the published example, in Chromium; SHORT=1 leaves out what is long
	$(BIN)/python -m pytest -q tests/engines $(if $(SHORT),-m "not long")

check: $(VENV)/dev.stamp ## Format, lint, types, import laws, workflows, the worker image, workflows on GitHub
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy runpod-worker/steps/*.py runpod-worker/start_prefetching.py
	$(BIN)/lint-imports
	$(BIN)/assetmill workflows lint
	$(BIN)/assetmill worker-image lint
	$(BIN)/hadolint deploy/Dockerfile runpod-worker/Dockerfile
	$(BIN)/zizmor --offline --no-progress --quiet --persona pedantic .github/workflows

fmt: $(VENV)/dev.stamp ## Format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/dev.stamp ## Benchmarks: planning 10,000 assets, three workers kept busy, 5,000 assets published again, a report on 100,000 attempts, the pause between two jobs of a worker
	$(BIN)/python bench/plan_10k.py
	$(BIN)/python bench/utilisation.py
	$(BIN)/python bench/publish_5k.py
	$(BIN)/python bench/report_100k.py
	$(BIN)/python bench/prefetch_gap.py

fuzz: $(VENV)/dev.stamp ## Property tests, long
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest -q tests/fuzz --timeout 7200

chaos: $(VENV)/dev.stamp ## Random faults and kill -9: RUNS=200 runs from SEED (random), and the proof that the books balance
	$(BIN)/python tests/chaos/chaos.py --runs $(RUNS) $(if $(SEED),--seed $(SEED))

chaos-kill: $(VENV)/dev.stamp ## kill -9 of the program itself at KILLS=30 random moments, each run to its end afterwards
	$(BIN)/python tests/chaos/kill_runs.py --kills $(KILLS) $(if $(SEED),--seed $(SEED))

costs: $(VENV)/dev.stamp ## RUNS=50 seeded runs with prices: what the endpoint charged lies between their low and high, near the estimate
	$(BIN)/python tests/money/proof.py --runs $(if $(filter command line environment,$(origin RUNS)),$(RUNS),50) $(if $(SEED),--seed $(SEED))

plans: $(VENV)/dev.stamp ## COUNT=10 seeded plans and the runs that follow: what was charged lies between a plan's low and high, near its estimate
	$(BIN)/python tests/money/plans.py $(if $(COUNT),--runs $(COUNT)) $(if $(SEED),--seed $(SEED))

kills: $(VENV)/dev.stamp ## A Scenario pipeline killed at every moment in turn, and run again: nothing is paid for twice
	$(BIN)/python tests/roads/kills.py $(if $(TYPES),--types $(TYPES))

crash: $(VENV)/dev.stamp ## Runs of a worker that are cancelled, killed and retried in Prefect: nothing is paid twice
	CRASH_PROOF=all $(BIN)/python -m pytest -q tests/flows/test_crash_cancel_retry.py tests/flows/test_alerts.py

machines: $(VENV)/dev.stamp ## Several machines at one endpoint, one of which dies: GAMES=4 batches of ASSETS=20, MACHINES=2, SECONDS=12 a job, SEED
	$(BIN)/python tests/machines/proof.py $(if $(GAMES),--games $(GAMES)) $(if $(ASSETS),--assets $(ASSETS)) \
		$(if $(MACHINES),--workers $(MACHINES)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

thousand: $(VENV)/dev.stamp ## One flow run of ASSETS=1000 on PostgreSQL: its memory, its processor time, its task runs
	$(BIN)/python tests/machines/thousand.py $(if $(ASSETS),--assets $(ASSETS))

submissions: $(VENV)/dev.stamp ## COUNT=40 submissions dropped at once, two ingesters, approvals in Prefect; STORE=seaweedfs for an S3 store
	$(BIN)/python tests/submissions/proof.py $(if $(COUNT),--count $(COUNT)) $(if $(STORE),--store $(STORE))

docs: $(VENV)/run.stamp ## Write again what is generated from the manifest models
	$(BIN)/assetmill schema --out manifests/manifest.schema.json
	$(BIN)/python -c 'from assetmill.manifest.reference import reference_markdown as r; print(r(), end="")' > docs/manifest.md

budgets: $(VENV)/dev.stamp ## TRIALS=100 of eight runs at once under one budget, some killed: never overspent; DATABASE=postgresql, SEED
	$(BIN)/python tests/money/budgets.py --trials $(TRIALS) --database $(DATABASE) $(if $(SEED),--seed $(SEED))

screenshots: $(VENV)/dev.stamp ## docs/images/*.png again, from a fresh run of the example in a real Prefect server; needs Chromium
	$(BIN)/python bench/screenshots.py
	$(BIN)/python bench/cost_screenshot.py

ui: $(VENV)/run.stamp ## The Prefect UI over past runs
	$(BIN)/assetmill ui

server: $(VENV)/run.stamp ## A Prefect server with its UI, on this machine; Ctrl-C ends it
	$(BIN)/assetmill server

deploy: $(VENV)/run.stamp ## Work pool, limits, variables, alerts and deployments on the Prefect server; again and again
	$(LOCAL_API) $(BIN)/assetmill deploy

servers: $(VENV)/dev.stamp ## Two API replicas, services apart, PostgreSQL and Redis, from the files of deploy/: one takes in what the other knows
	$(BIN)/python -m pytest -q tests/deploy/replicas.py

worker: $(VENV)/run.stamp ## WORKERS=1 process workers, each with at most LIMIT runs at once; Ctrl-C ends them
	$(LOCAL_API) $(BIN)/assetmill worker --count $(WORKERS) $(if $(LIMIT),--limit $(LIMIT))

lock: ## Pin the newest versions that pyproject.toml allows
	rm -rf .lock && $(PYTHON) -m venv .lock
	.lock/bin/python -m pip install --quiet '.[dev]'
	.lock/bin/python -m pip freeze --exclude assetmill --exclude pip --exclude setuptools | LC_ALL=C sort -f > requirements.lock
	rm -rf .lock build

clean: ## Remove the environment and everything that was generated here
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache out

# One virtual environment; the second stamp adds what only developers need.
$(VENV)/run.stamp: pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable .
	touch $@

$(VENV)/dev.stamp: pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[dev]'
	touch $@ $(VENV)/run.stamp

# The engines, to the byte as they are locked. Chromium, node and npm are the machine's own, or Debian's.
engine-tools:
	tests/engines/tools.sh

$(ENGINES)/installed.stamp: tests/engines/package.json tests/engines/package-lock.json | engine-tools
	cd tests/engines && npm ci --no-audit --no-fund --ignore-scripts
	touch $@
