# Every task of the project; make alone prints them.
.DEFAULT_GOAL := help
WORKER ?= hello
# The services that make warm installs packages for: every folder of workers/ that is a Worker.
WORKERS ?= $(filter-out template,$(patsubst workers/%/wrangler.jsonc,%,$(wildcard workers/*/wrangler.jsonc)))
# OFFLINE=1 puts a second wall around the proxy. Compose reads its own override file only where no other file is named.
OVERRIDE = $(if $(wildcard compose.override.yml),:compose.override.yml)
SEALED = $(if $(OFFLINE),COMPOSE_FILE=$${COMPOSE_FILE:-compose.yml$(OVERRIDE)}:docker/offline.compose.yml )
# Arguments for pytest: make test ARGS="-k x".
ARGS ?=

# Its registries are those of whoever made it, so git ignores it here; compose mounts it where it is there.
export DRYDOCK_REGISTRY_LOCK ?= $(if $(wildcard assets.registry.lock),./assets.registry.lock)

.PHONY: help up down warm lock rehearse airgap-check export import doctor new migrate register-commands test audit soak coverage mutation bench bench-quick bench-felt lint logs shell clean deploy ci-image ca ca-rotate

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: ## Start the proxy and the Workers, and wait until they answer; OFFLINE=1 with no way out
	. docker/tasks/way-out && way_out && $(SEALED)docker compose up $(if $(OFFLINE),,--build )--detach --wait

down: ## Stop everything; what was downloaded and the Workers' data stay
	docker compose down

warm: ## Download what the Workers' runtime and packages need, into the store
	. docker/tasks/way-out && way_out && docker compose build
	docker compose run --rm warm
	@for worker in $(WORKERS); do docker compose run --rm $$worker sync || exit 1; done

lock: ## Write assets.lock: what the Workers download, byte by byte; CHECK=1 only says what is out of date
	. docker/tasks/way-out && way_out && docker compose build
	@docker/tasks/plan $(WORKERS)
ifdef CHECK
	docker compose run --rm --no-deps --no-TTY lock --check $(ARGS) >/dev/null
else
	docker compose run --rm --no-TTY lock $(ARGS) >.scratch/lock.tar
	tar -xof .scratch/lock.tar
endif

rehearse: ## Sync and start each Worker from nothing, and certify what it asked for; ADD=1 adds misses to the lock
	@docker/tasks/certify rehearsal $(WORKERS)

airgap-check: ## The same with no way out: every Worker must come from the store alone
	@docker/tasks/certify offline $(WORKERS)

export: ## Write the store into one signed file; FILE=team.drydock, IMAGES=1 adds the images, ARGS="--split 2G"
	@IMAGES="$(IMAGES)" docker/tasks/carry export "$(FILE)" $(ARGS)

import: ## Verify such a file and take it into the store; FILE=team.drydock, KEY is the signer that export printed
	@docker/tasks/carry import "$(FILE)" $(if $(KEY),--key "$(KEY)") $(ARGS)

doctor: ## Find out why something fails: network, proxy, certificates, clients, clock, disk, Docker; JSON=1 for programs
	@docker/tasks/doctor $(if $(JSON),--json)

migrate: ## Apply D1 migrations, of every Worker that has any or of one; WORKER=platform-api, REMOTE=1 at Cloudflare
	@REMOTE='$(REMOTE)' docker/tasks/migrate $(if $(filter-out file default,$(origin WORKER)),$(WORKER))

# Values go by name, so that no process list shows them.
register-commands: ## Put discord-bot's commands to Discord with DISCORD_APP_ID and DISCORD_BOT_TOKEN; DRY_RUN=1 prints them
	. docker/tasks/way-out && way_out && docker compose up --detach --wait proxy && \
	  docker compose run --rm --no-deps --env DRY_RUN --env DISCORD_APP_ID --env DISCORD_BOT_TOKEN --env DISCORD_GUILD_ID \
	  --env DISCORD_API_URL discord-bot script scripts/register_commands.py

# The NAME of the command line alone: some systems have a variable of that name, with the machine's name in it.
new: ## Make a Worker from workers/template; NAME=my-worker
	@docker/tasks/new-worker "$(if $(filter command,$(origin NAME)),$$NAME)"

test: ## Run the whole suite in containers, two parts beside each other; ARGS="-k x" runs what pytest chooses, in one process
	@docker/test-run $(if $(ARGS),python -m pytest $(ARGS),docker/tasks/suite)

# SECONDS is bash's own variable, too, but no shell exports it.
soak: ## Break everything at random, for ten minutes; SECONDS=60, SEED=5 repeats what was decided by chance
	@docker/test-run env DRYDOCK_SOAK_SECONDS="$(or $(SECONDS),600)" DRYDOCK_SOAK_SEED="$(SEED)" \
	  python -m pytest -s -o timeout=0 $(or $(ARGS),tests/soak)

coverage: ## Measure which lines of the cache and the proxy the tests run, in processes of their own, too; a quarter of an hour
	@docker/test-run python -m pytest --cov --cov-config=docker/coverage-processes.toml cache/tests proxy/tests docker/container_tests \
	  tests/integration tests/faults tests/doctor $(ARGS)

mutation: ## Change the store and the policy one place at a time, to see whether tests notice; MODULES="blobs keys policy"
	@docker/test-run docker/tasks/mutate $(or $(MODULES),keys policy blobs)

bench: ## Measure beside nginx, Squid and mitmproxy, about 15 minutes; ARGS="--rows hit-1k" for a part of it
	@bench/run $(ARGS)

bench-quick: ## Hold the most important ratios to floors that a busy machine reaches, too; under three minutes
	@TEST_TARGET=bench docker/test-run python -m bench --quick $(ARGS)

bench-felt: ## Measure in containers what a user feels: packages, the runtime's start, the start of everything
	@mkdir -p bench/results; docker/test-run python -m bench.felt $(ARGS) > bench/results/felt.txt; status=$$?; \
	  cat bench/results/felt.txt; exit $$status

lint: ## Check style, formatting, types, and the traps of Python Workers
	@docker/test-run sh -c 'ruff check . && ruff format --check . && mypy --strict cache proxy docker tests bench && hadolint docker/*.Dockerfile && docker/tasks/lint-workers'

audit: ## Look every locked package up among published advisories; ARGS="--advisories FOLDER" for those in files
	@docker/test-run env PYTHONPATH=docker python -m audit $(ARGS)

logs: ## Follow the logs of the proxy and the Workers
	docker compose logs --follow

shell: ## Open a shell in a running Worker's container; WORKER=hello
	docker compose exec $(WORKER) worker-entrypoint bash

clean: ## Remove containers, images and volumes, with everything downloaded and the Workers' data
	docker compose down --volumes --remove-orphans --rmi local
	docker volume rm --force drydock-test-cache
	docker image rm --force drydock-bench drydock-ci drydock-test drydock-test-internet drydock-test-squid
	rm -rf .scratch

deploy: ## Check a Worker and deploy it to Cloudflare; WORKER=hello or all, DRY_RUN=1 only shows it, SECRETS=FILE
	@DRY_RUN='$(DRY_RUN)' SECRETS='$(SECRETS)' docker/tasks/deploy $(WORKER)

ca: ## Say how long the CA signs, and how often it can be rotated
	@docker/tasks/ca status

ca-rotate: ## Let the CA's next intermediate sign, which clients need not know; ROOT=1 makes a new root and restarts the Workers
	@ROOT="$(ROOT)" docker/tasks/ca rotate

ci-image: ## Build the image for pipelines without a network; ARCHIVE=FILE ARCHIVE_KEY=SIGNER fills it from an export
	@ARCHIVE="$(ARCHIVE)" ARCHIVE_KEY="$(ARCHIVE_KEY)" PROJECT="$(PROJECT)" WORKERS="$(CI_WORKERS)" WARM="$(WARM)" docker/tasks/ci-build
