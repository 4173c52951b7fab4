# One line a verb: make's words for ./samestack, which decides everything. `./samestack --help` lists the verbs.
# ENV=dev|staging|production   REHEARSAL=1 (the local stand-ins of staging and production)
# REF=<git ref>   CMD=<manage.py command>   MSG=<why>   ON=1|0   ARGS=<passed on to Ansible>

ENV ?= dev
# As they were typed: a dollar sign in a message is no variable of make's.
override MSG := $(value MSG)
override CMD := $(value CMD)
override REF := $(value REF)
override SINCE := $(value SINCE)
export MSG CMD REF TO SINCE

REHEARSE := $(if $(REHEARSAL),--rehearsal)
MESSAGE := $(if $(MSG),--message "$$MSG")
AT = $(ENV) $(REHEARSE)
ANSIBLE = $(if $(ARGS),-- $(ARGS))

.DEFAULT_GOAL := help
PLAIN := up down destroy rehearse check test soak bench
PLAYED := provision undo-provision upgrade lock-stack unfreeze repair releases manifest drift secrets
.PHONY: help $(PLAIN) $(PLAYED) deploy plan promote rollback accept freeze maintenance parity manage shell dbshell logs audit

help:
	@./samestack --help

$(PLAIN):
	@./samestack $@

$(PLAYED):
	@./samestack $@ $(AT) $(ANSIBLE)

deploy plan:
	@./samestack $@ $(AT) $(if $(REF),--ref "$$REF") $(ANSIBLE)

promote:
	@./samestack promote $(REHEARSE) $(ANSIBLE)

rollback:
	@./samestack rollback $(AT) $(if $(TO),--to "$$TO") $(ANSIBLE)

accept freeze:
	@./samestack $@ $(AT) $(MESSAGE) $(ANSIBLE)

maintenance:
	@./samestack maintenance $(AT) $(if $(filter 1,$(ON)),--on,$(if $(filter 0,$(ON)),--off)) $(MESSAGE) $(ANSIBLE)

parity:
	@./samestack parity $(A) $(B) $(REHEARSE) $(if $(OFFLINE),--offline) $(if $(SINCE),--since "$$SINCE") \
		$(if $(ALL),--all) $(if $(filter json,$(FORMAT)),--json)

manage:
	@./samestack manage $(AT) --command "$$CMD"

shell dbshell logs audit:
	@./samestack $@ $(AT)
