# Every task of the project; make alone prints them.
.DEFAULT_GOAL := help
WORKER ?= hello
# The services that make warm installs packages for.
WORKERS ?= hello hello-js
# OFFLINE=1 puts a second wall around the proxy. Compose reads its own override file only where no other file is named.
OVERRIDE = $(if $(wildcard compose.override.yml),:compose.override.yml)
SEALED = $(if $(OFFLINE),COMPOSE_FILE=$${COMPOSE_FILE:-compose.yml$(OVERRIDE)}:docker/offline.compose.yml )
# Arguments for pytest: make test ARGS="-k x".
ARGS ?=

.PHONY: help up down warm rehearse airgap-check test bench bench-felt bench-quick lint logs shell clean deploy ci-image

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: ## Start the proxy and the Workers, and wait until they answer; OFFLINE=1 with no way out
	$(SEALED)docker compose up $(if $(OFFLINE),,--build )--detach --wait

down: ## Stop everything; what was downloaded and the Workers' data stay
	docker compose down

warm: ## Download what the Workers' runtime and packages need, into the store
	docker compose build
	docker compose run --rm warm
	@for worker in $(WORKERS); do docker compose run --rm $$worker sync || exit 1; done

rehearse: ## Sync and start each Worker from nothing, and certify what it asked for; ADD=1 adds misses to the lock
	@docker/certify rehearsal $(WORKERS)

airgap-check: ## The same with no way out: every Worker must come from the store alone
	@docker/certify offline $(WORKERS)

test: ## Run the whole suite in containers; ARGS="-k x" goes to pytest
	@docker/test-run python -m pytest $(ARGS)

bench: ## Measure beside nginx, Squid and mitmproxy, about 15 minutes; ARGS="--rows hit-1k" for a part of it
	@bench/run $(ARGS)

bench-quick: ## Hold the most important ratios to floors that a busy machine reaches, too; under three minutes
	@TEST_TARGET=bench docker/test-run python -m bench --quick $(ARGS)

bench-felt: ## Measure in containers what a user feels: packages, the runtime's start, the start of everything
	@mkdir -p bench/results; docker/test-run python -m bench.felt $(ARGS) > bench/results/felt.txt; status=$$?; \
	  cat bench/results/felt.txt; exit $$status

lint: ## Check style, formatting and types
	@docker/test-run sh -c 'ruff check . && ruff format --check . && mypy --strict cache proxy docker tests bench'

logs: ## Follow the logs of the proxy and the Workers
	docker compose logs --follow

shell: ## Open a shell in a running Worker's container; WORKER=hello
	docker compose exec $(WORKER) worker-entrypoint bash

clean: ## Remove containers, images and volumes, with everything downloaded and the Workers' data
	docker compose down --volumes --remove-orphans --rmi local
	docker volume rm --force drydock-test-cache
	docker image rm --force drydock-bench drydock-ci drydock-test drydock-test-internet drydock-test-squid
	rm -rf .scratch

deploy: ## Deploy a Worker to Cloudflare; WORKER=hello, DRY_RUN=1 only bundles it
ifdef DRY_RUN
	docker compose up --build --detach --wait proxy
	docker compose run --rm --build --no-deps $(WORKER) deploy --dry-run
else
	@test -n "$$CLOUDFLARE_API_TOKEN" || { echo "make deploy: CLOUDFLARE_API_TOKEN is not set; export a token that may edit Workers, or try DRY_RUN=1" >&2; exit 2; }
	docker compose up --build --detach --wait proxy
	docker compose run --rm --build --no-deps --env CLOUDFLARE_API_TOKEN --env CLOUDFLARE_ACCOUNT_ID $(WORKER) deploy
endif

ci-image: ## Build the image for pipelines without a network; ARCHIVE=FILE ARCHIVE_KEY=SIGNER fills it from an export
	@ARCHIVE="$(ARCHIVE)" ARCHIVE_KEY="$(ARCHIVE_KEY)" PROJECT="$(PROJECT)" WORKERS="$(CI_WORKERS)" WARM="$(WARM)" docker/ci-build
