"""RUNS ON HOSTS: the database server on this machine, and who may do what in the application's database."""
