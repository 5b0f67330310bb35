# Every task of the project; make alone prints them.
.DEFAULT_GOAL := help
WORKER ?= hello
# The services that make warm installs packages for: every folder of workers/ that is a Worker.
WORKERS ?= $(filter-out template,$(patsubst workers/%/wrangler.jsonc,%,$(wildcard workers/*/wrangler.jsonc)))
# Arguments for pytest: make test ARGS="-k x".
ARGS ?=

.PHONY: help up down warm new migrate register-commands test lint logs shell clean deploy

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: ## Start the proxy and the Workers, and wait until they answer
	docker compose up --build --detach --wait

down: ## Stop everything; what was downloaded and the Workers' data stay
	docker compose down

warm: ## Download what the Workers' runtime and packages need, into the store
	docker compose build
	docker compose run --rm warm
	@for worker in $(WORKERS); do docker compose run --rm $$worker sync || exit 1; done

migrate: ## Apply D1 migrations, of every Worker that has any or of one; WORKER=platform-api, REMOTE=1 at Cloudflare
	@REMOTE='$(REMOTE)' docker/migrate $(if $(filter-out file default,$(origin WORKER)),$(WORKER))

# Values go by name, so that no process list shows them.
register-commands: ## Put discord-bot's commands to Discord with DISCORD_APP_ID and DISCORD_BOT_TOKEN; DRY_RUN=1 prints them
	docker compose up --detach --wait proxy
	docker compose run --rm --no-deps --env DRY_RUN --env DISCORD_APP_ID --env DISCORD_BOT_TOKEN --env DISCORD_GUILD_ID \
	  --env DISCORD_API_URL discord-bot script scripts/register_commands.py

# The NAME of the command line alone: some systems have a variable of that name, with the machine's name in it.
new: ## Make a Worker from workers/template; NAME=my-worker
	@docker/new-worker "$(if $(filter command,$(origin NAME)),$$NAME)"

test: ## Run the whole suite in containers; ARGS="-k x" goes to pytest in place of --cov
	@docker/test-run python -m pytest $(or $(ARGS),--cov)

lint: ## Check style, formatting, types, and the traps of Python Workers
	@docker/test-run sh -c 'ruff check . && ruff format --check . && mypy --strict cache proxy docker tests && docker/lint-workers'

logs: ## Follow the logs of the proxy and the Workers
	docker compose logs --follow

shell: ## Open a shell in a running Worker's container; WORKER=hello
	docker compose exec $(WORKER) worker-entrypoint bash

clean: ## Remove containers, images and volumes, with everything downloaded and the Workers' data
	docker compose down --volumes --remove-orphans --rmi local
	docker volume rm --force drydock-test-cache
	docker image rm --force drydock-test drydock-test-internet drydock-test-squid
	rm -rf .scratch

deploy: ## Check a Worker and deploy it to Cloudflare; WORKER=hello or all, DRY_RUN=1 only shows it, SECRETS=FILE
	@DRY_RUN='$(DRY_RUN)' SECRETS='$(SECRETS)' docker/deploy $(WORKER)
