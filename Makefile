# The front door: one target a verb, nothing decided here. `make help` lists them.
# ENV=dev|staging|production   REHEARSAL=1 (the local stand-ins of staging and production)
# REF=<git ref>   CMD=<manage.py command>   MSG=<why>   ON=1|0   ARGS=<passed on to Ansible>

ENV ?= $(if $(filter promote,$(MAKECMDGOALS)),production,dev)
# As they were typed: a dollar sign in a message is no variable of make's.
override MSG := $(value MSG)
override CMD := $(value CMD)
export REF TO CMD MSG ON
# How parity is asked for
export OFFLINE SINCE FORMAT REHEARSAL ALL

ENVIRONMENTS := dev staging production
ifeq ($(filter $(ENV),$(ENVIRONMENTS)),)
$(error ENV = $(ENV) (on the command line): there is no such environment. Write one of: $(ENVIRONMENTS))
endif
ifneq ($(REHEARSAL),)
ifeq ($(ENV)$(filter parity,$(MAKECMDGOALS)),dev)
$(error REHEARSAL = $(REHEARSAL) (on the command line): dev is a local machine already. Write ENV=staging or ENV=production with it)
endif
endif

INVENTORY := inventories/$(if $(REHEARSAL),rehearsal,$(ENV)).yml
PLAY := .venv/bin/ansible-playbook -i $(INVENTORY) $(if $(REHEARSAL),--limit $(ENV))
# A promotion is about two environments.
BOTH := .venv/bin/ansible-playbook $(if $(REHEARSAL),-i inventories/rehearsal.yml,-i inventories/staging.yml -i inventories/production.yml)
DEPLOY := $(PLAY) playbooks/deploy.yml $(if $(REF),-e "$$(box/extra release_ref REF)")
PREVIEW := $(if $(filter production$(REF),$(ENV)),$(BOTH) playbooks/promote.yml,$(DEPLOY))
HOST := box/on $(INVENTORY) $(ENV)
AGAIN := $(MAKE) --no-print-directory

# The environment of a local machine, by its name (dev1, staging1, production1).
MACHINE_ENV = ENV=$(MACHINE:%1=%) $(if $(filter dev1,$(MACHINE)),,REHEARSAL=1)

.DEFAULT_GOAL := help

##@ Local machines
.PHONY: up down destroy rehearse
up: ## Everything, from a bare computer to the running site
	@box/setup
	@box/machines up dev1
	@$(AGAIN) _after-up MACHINE=dev1

down: ## Halt the local machines
	@box/machines down

destroy: ## Take the local machines away
	@box/machines destroy

rehearse: ## All three environments as local machines, side by side, provisioned and deployed
	@box/setup
	@box/machines up dev1 staging1 production1
	@$(AGAIN) _after-up MACHINE=dev1
	@$(AGAIN) _after-up MACHINE=staging1
	@$(AGAIN) _after-up MACHINE=production1

##@ Any environment (ENV=, REHEARSAL=1)
.PHONY: lock-stack upgrade provision undo-provision deploy promote plan rollback repair accept releases freeze unfreeze maintenance manifest drift manage secrets logs shell dbshell
provision: _tools ## Build the machines of ENV, or bring them up to date
	@$(PLAY) playbooks/site.yml $(ARGS)

undo-provision: _tools ## Put back the files that the last provision of ENV replaced
	@$(PLAY) playbooks/undo-provision.yml $(ARGS)

upgrade: _tools ## The newest OS packages on the machines of ENV, one after the other
	@$(PLAY) playbooks/upgrade.yml $(ARGS)

lock-stack: _tools ## The package versions of ENV become those of every environment (stack.lock.yml)
	@$(PLAY) playbooks/lock-stack.yml $(ARGS)

deploy: _tools ## Deploy the application to ENV (REF= for another branch, tag or commit)
	@$(DEPLOY) $(ARGS)

promote: _tools ## What staging serves goes to production, the same bytes
	@$(BOTH) playbooks/promote.yml $(ARGS)

plan: _tools ## What provision, and deploy (REF=) or promote (production), would do to ENV; nothing is changed
	@$(PLAY) --check --diff playbooks/site.yml $(ARGS)
	@$(PREVIEW) --check --diff $(ARGS)

rollback: _tools ## The release before serves ENV again, its database with it (TO= names another)
	@$(PLAY) playbooks/rollback.yml $(if $(TO),-e "$$(box/extra rollback_to TO)") $(ARGS)

repair: _tools ## What somebody changed of the live release of ENV by hand is put back
	@$(PLAY) playbooks/repair.yml $(ARGS)

accept: _tools ## Somebody has looked at what ENV serves; a promotion asks for that
	@$(PLAY) playbooks/accept.yml $(if $(MSG),-e "$$(box/extra accept_message MSG)") $(ARGS)

releases: _tools ## What ENV serves, and every change that led there
	@$(PLAY) playbooks/releases.yml $(ARGS)

freeze: _tools ## Nobody changes ENV until unfreeze (MSG= says why)
	@$(PLAY) playbooks/freeze.yml $(if $(MSG),-e "$$(box/extra freeze_message MSG)") $(ARGS)

unfreeze: _tools ## ENV may be changed again
	@$(PLAY) playbooks/unfreeze.yml $(ARGS)

maintenance: _tools ## ON=1: visitors of ENV see a page (MSG= is on it); ON=0: the site again
	@$(PLAY) playbooks/maintenance.yml -e "$$(box/extra maintenance_on ON)" $(if $(MSG),-e "$$(box/extra maintenance_message MSG)") $(ARGS)

manifest: _tools ## Each machine of ENV writes down what is really on it
	@$(PLAY) playbooks/manifest.yml $(ARGS)

drift: _tools ## What changed on ENV outside of our runs, when and by what
	@$(PLAY) playbooks/drift.yml $(ARGS)

manage: _tools ## Run a manage.py command: make manage CMD="createsuperuser"
	@$(HOST) manage

secrets: _tools ## Make the encrypted secrets of ENV
	@$(PLAY) playbooks/secrets.yml $(ARGS)

logs: _tools ## Follow what the application and its services write
	@$(HOST) logs

shell: _tools ## A shell on the first machine of ENV
	@$(HOST) shell

dbshell: _tools ## A PostgreSQL prompt on the application's database
	@$(HOST) dbshell

##@ Environments, side by side (A=, B= choose two; REHEARSAL=1)
.PHONY: parity
parity: _tools ## Do dev, staging and production match? (OFFLINE=1, SINCE=tuesday, FORMAT=json, ALL=1)
	@box/parity $(A) $(B)

##@ This repository
.PHONY: check test soak bench help
check: _dev-tools ## Linters, unit tests, templates, inventory laws: about a minute
	@tests/run check

test: _dev-tools ## Everything, on real machines: about half an hour
	@tests/run test

soak: _dev-tools ## The long tests
	@tests/run soak

bench: _dev-tools ## What is fast, measured against the plain way
	@bench/run

help: ## This list
	@awk -f box/help.awk $(MAKEFILE_LIST)

.PHONY: _tools _dev-tools _after-up
_tools:
	@box/setup tools

_dev-tools:
	@box/setup dev

_after-up: _tools
	@box/machines connect $(MACHINE)
	@$(AGAIN) provision $(MACHINE_ENV)
	@$(AGAIN) deploy $(MACHINE_ENV)
	@box/machines welcome $(MACHINE)
