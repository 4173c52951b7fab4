"""The command `samestack`: what people type, one file a noun. A verb starts a playbook or a program, no more.

Runs on the control node. Nothing heavy is imported before a verb needs it, so that help and completion come at once.
"""
