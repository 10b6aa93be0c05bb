"""Dagster resources: thin doors to the clients of `libs`."""
