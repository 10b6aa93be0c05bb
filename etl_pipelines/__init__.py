"""Dagster wiring and nothing else: definitions, resources, triggers and jobs over `libs`."""
