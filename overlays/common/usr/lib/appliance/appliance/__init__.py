"""Runtime inside a machine: turns /etc/appliance/env.yml into a configured, checked system."""
