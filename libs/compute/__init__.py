"""PostGIS as a throw-away compute engine: the ephemeral schema, loading, transforming, reading."""
