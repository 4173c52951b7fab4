"""CONTROL NODE ONLY: Ansible never sends any of it to a host."""
