"""How a text reaches people: Apprise, in a process of its own. Runs on the control node."""
