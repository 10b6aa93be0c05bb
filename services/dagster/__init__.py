"""Configuration of Dagster's processes, and the classes of ours they load."""
