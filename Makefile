# Every target first installs what is missing, which takes a fraction of a second when nothing is.
SHELL := /bin/sh
PYTHON := .venv/bin/python
.DEFAULT_GOAL := help
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
.PHONY: help env compose-up compose-down compose-logs compose-test bootstrap demo up down status test check fix bench chaos flood corpus fuzz

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 14

bootstrap: ## install what is missing: Debian packages, uv, the Python environment
	@services/local/bootstrap.sh

demo: up ## start the stack, drop sample data, and follow it to the published dataset
	@$(PYTHON) -m services.local.demo

up: bootstrap ## start the stack without containers and wait until it is healthy
	@$(PYTHON) -m services.local up

down: bootstrap ## end what `make up` started; data stays
	@$(PYTHON) -m services.local down

status: bootstrap ## show each service: state, process, health, address
	@$(PYTHON) -m services.local status

test: bootstrap ## run every test, on a stack of their own
	@$(PYTHON) -m pytest

check: bootstrap ## lint, formatting and types, changing nothing
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy

fix: bootstrap ## correct what the linter and the formatter can
	@.venv/bin/ruff check --fix
	@.venv/bin/ruff format

chaos: bootstrap ## kill N times at random under a stream of drops, then audit: make chaos N=200
	@$(PYTHON) -m tests.chaos --trials $(or $(N),200) --seed $(or $(SEED),1)

flood: bootstrap ## drop N small manifests at once and watch them worked off: make flood N=1000
	@$(PYTHON) -m tests.chaos --flood $(or $(N),1000) --patience-s 3600

bench: bootstrap ## measure the service beside its rivals: make bench ARGS="--only formats --rows 100000"
	@$(PYTHON) -m tests.benchmarks $(ARGS)

corpus: bootstrap ## drop every file of DIR, or the odd files, and compare what is published
	@$(PYTHON) -m tests.corpus $(DIR) --retry-without-crs $(ARGS)

fuzz: bootstrap ## drop N damaged files (500), the same ones for the same SEED
	@$(PYTHON) -m tests.corpus --fuzz $(or $(N),500) --seed $(or $(SEED),1) $(ARGS)

env: ## generate the passwords of the containers into .env, once, and files of them beside it
	@services/compose/env.sh

compose-up: env ## build the images, start the containers, wait until all are healthy
	@$(COMPOSE) up -d --build
	@services/compose/wait.sh $(COMPOSE)

compose-down: ## end the containers; data stays
	@$(COMPOSE) down

compose-logs: ## follow the containers' logs
	@$(COMPOSE) logs -f --tail 50

compose-test: bootstrap ## the containers on a machine that can pull no image, from none to the end
	@COMPOSE="$(COMPOSE)" $(PYTHON) -m tests.e2e.compose $(ARGS)
