"""Dagster wiring and nothing else: definitions, resources, sensors and jobs over `libs`."""
