"""The encrypted secrets of an environment, and the local certificate authority."""
