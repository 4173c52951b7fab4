# One line a verb: make's words for ./samestack, which decides everything. `./samestack --help` lists the verbs.
# ENV=dev|staging|production   REHEARSAL=1 (the local stand-ins of staging and production)
# REF=<git ref>   CMD=<manage.py command>   MSG=<why>   ON=1|0   WHAT=redis   FROM=production   FILE=dump.sql
# FOLDER=../mysite   KEY=<SHA256:…>   ARGS=<passed on to Ansible>

NAMES := ENV REHEARSAL REF TO FROM FILE FOLDER CMD MSG ON WHAT KEY ARGS A B OFFLINE SINCE ALL FORMAT
ENV ?= dev
# What was typed stays as it was typed, under whatever name, with -n too: a dollar sign in it is nothing of make's, and a
# shell gets it as a variable, never as text.
typed = $(findstring command line,$(origin $1))$(filter $(NAMES),$(if $(findstring environment,$(origin $1)),$1))
$(foreach name,$(.VARIABLES),$(if $(call typed,$(name)),$(eval override $(name) := $$(value $(name)))$(eval export $(name))))
export ENV
# What people type for more output, as messages say it
export SAMESTACK_VERBOSE = ARGS=-v
$(foreach name,ENV A B WHAT KEY,$(if $(filter -%,$(firstword $($(name)))),$(error $(name)=$($(name)): this is no environment)))

REHEARSE := $(if $(REHEARSAL),--rehearsal)
MESSAGE := $(if $(MSG),--message "$$MSG")
AT = "$$ENV" $(REHEARSE)
# xargs knows words and quotes, and is no shell.
SAMESTACK = @$(if $(ARGS),{ printf '%s\n' "$$ARGS" | xargs sh -c 'exec ./samestack "$$@" <&3' sh,./samestack) $@
ANSIBLE = $(if $(ARGS),--; } 3<&0)

.DEFAULT_GOAL := help
PLAIN := up down destroy rehearse machines attach trust untrust doctor app-test check test soak bench corpus
PLAYED := provision undo-provision upgrade lock-stack unfreeze repair releases backup backups drill rebuild manifest drift secrets
.PHONY: help $(PLAIN) $(PLAYED) init update ci status restore pull dump load sanitise rotate deploy plan promote rollback accept freeze maintenance parity manage shell dbshell logs mail open audit revoke

help:
	@./samestack --help

$(PLAIN):
	@./samestack $@

$(PLAYED):
	$(SAMESTACK) $(AT) $(ANSIBLE)

init:
	@./samestack init "$$FOLDER"

ci:
	@./samestack ci init $(if $(WHAT),"$$WHAT",github)

deploy plan:
	$(SAMESTACK) $(AT) $(if $(REF),--ref "$$REF") $(ANSIBLE)

promote:
	$(SAMESTACK) $(REHEARSE) $(ANSIBLE)

rollback:
	$(SAMESTACK) $(AT) $(if $(TO),--to "$$TO") $(ANSIBLE)

restore:
	$(SAMESTACK) $(AT) $(if $(TO),--to "$$TO",--from $(if $(FROM),"$$FROM",production)) $(ANSIBLE)

pull:
	$(SAMESTACK) $(if $(filter dev,$(ENV)),production,"$$ENV") $(REHEARSE) $(ANSIBLE)

dump:
	$(SAMESTACK) $(AT) $(if $(FILE),--output "$$FILE") $(ANSIBLE)

load:
	$(SAMESTACK) "$$FILE" $(AT) $(ANSIBLE)

sanitise:
	$(SAMESTACK) init $(AT) $(ANSIBLE)

accept freeze:
	$(SAMESTACK) $(AT) $(MESSAGE) $(ANSIBLE)

maintenance:
	$(SAMESTACK) $(AT) $(if $(filter 1,$(ON)),--on,$(if $(filter 0,$(ON)),--off)) $(MESSAGE) $(ANSIBLE)

rotate:
	$(SAMESTACK) $(AT) $(if $(WHAT),"$$WHAT",all) $(ANSIBLE)

revoke:
	$(SAMESTACK) $(REHEARSE) "$$KEY" $(ANSIBLE)

update:
	@./samestack update $(if $(TO),--to "$$TO")

status:
	@./samestack status $(if $(call typed,ENV),"$$ENV") $(REHEARSE) $(if $(filter json,$(FORMAT)),--json)

parity:
	@./samestack parity $(if $(A),"$$A") $(if $(B),"$$B") $(REHEARSE) $(if $(OFFLINE),--offline) \
		$(if $(SINCE),--since "$$SINCE") $(if $(ALL),--all) $(if $(filter json,$(FORMAT)),--json)

manage:
	@./samestack manage $(AT) --command "$$CMD"

shell dbshell logs mail open audit:
	@./samestack $@ $(AT)
