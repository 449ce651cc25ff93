# One command for each habit; `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
JOBS   ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup engine clients demo test test-clients compatibility network-faults simulate mutations check format bench chaos openapi protobuf clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(VENV)/.installed ## Make the virtual environment with the pinned dependencies

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "swarmlet needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	@sh tools/install-venv.sh $(PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

engine: ## As root on Debian: install what the Docker tests start (docker.io, iproute2, nftables, busybox-static, redis-server, curl, libfaketime)
	@sh tools/install-engine.sh

clients: setup ## Fetch the other clients that tests drive: helm 3 and 4, and an older kubectl
	@$(BIN)/python -m tools.install_clients

demo: setup ## Three daemons on this machine, a Deployment, a killed container, a killed leader (KEEP=1: leave it running)
	@$(BIN)/python -m tools.demo $(if $(KEEP),--keep)

test: setup engine clients check ## Everything that must pass, real Docker included
	$(BIN)/python -m pytest --numprocesses $(JOBS) -m 'not e2e and not long_clients'
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile -m 'e2e and not alone and not long_clients' tests/e2e tests/clients
	$(BIN)/python -m pytest -m 'alone and not long_clients' tests/e2e

test-clients: setup engine clients ## Every client of the Kubernetes API in all versions; makes docs/kubernetes-compatibility.md
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile -m 'proves or long_clients' -p tests.clients.recorder tests/clients tests/e2e
	$(BIN)/python -m tools.make_compatibility

compatibility: setup ## Make docs/kubernetes-compatibility.md anew, of the last `make test-clients` and of the model
	$(BIN)/python -m tools.make_compatibility

chaos: setup engine ## Torment real daemons and count what is lost (MINUTES=30 SEED= MACHINES=5 JSON=FILE); docs/chaos.md
	@$(BIN)/python -m tools.chaos --minutes $(or $(MINUTES),30) $(if $(SEED),--seed $(SEED)) $(if $(MACHINES),--machines $(MACHINES)) $(if $(JSON),--json $(JSON))

network-faults: setup engine ## Who reaches whom, before and after each fault of the network (MACHINES=5)
	NETWORK_FAULTS_MACHINES=$(or $(MACHINES),5) $(BIN)/python -m pytest -s tests/e2e/test_network_faults.py -k 'not five_machines'

simulate: setup ## Simulated clusters on virtual time under faults: SEEDS=1000 FIRST_SEED=0 SCENARIO=consensus JOBS=2
	@$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),1000) --first-seed $(or $(FIRST_SEED),0) \
		--scenario $(or $(SCENARIO),consensus) --jobs $(JOBS)

mutations: setup ## Put each known bug back and look for it from seed 0 on; writes docs/mutations.md (NAMES="...": only these)
	@$(BIN)/python -m tests.simulation.mutations $(NAMES)

check: setup ## Format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_tidy.py

format: setup ## Format the code and mend what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench-peers: ## As root on Debian: install what the benchmark measures with and compares with
	@sh tools/install-engine.sh etcd:etcd-server dnsmasq:dnsmasq-base wrk:wrk nginx:nginx-light haproxy:haproxy

bench: setup engine bench-peers ## Measure against etcd and the bare Docker API, on this machine, in one run (PARTS="consensus api")
	@$(BIN)/python -m tools.bench $(PARTS)

openapi: setup ## Make swarmlet/model's OpenAPI file anew
	$(BIN)/python -m tools.make_openapi

protobuf: setup ## Make swarmlet/protobuf's messages file anew
	$(BIN)/python -m tools.make_protobuf

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
