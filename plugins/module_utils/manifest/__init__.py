"""What is really on a host, written down."""
