"""Configuration of Dagster's processes, and the one class of ours they load: `launcher`."""
