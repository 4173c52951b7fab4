"""The control node's half of modules: arguments in, words out."""
