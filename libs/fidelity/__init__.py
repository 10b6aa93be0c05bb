"""What a table holds, measured the same way at every hop: in Arrow batches and in PostGIS."""
