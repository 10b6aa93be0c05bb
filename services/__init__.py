"""Processes and their configuration: the command, the local stack, the servers' settings."""
