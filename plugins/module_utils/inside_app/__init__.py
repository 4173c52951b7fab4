"""RUNS IN THE APPLICATION'S PYTHON, sent as text: imports itself and the standard library, Django by name."""
