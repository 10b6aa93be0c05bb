"""The command `spatial-etl`: drop files, follow them, ask why, take what was published."""
