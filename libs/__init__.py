"""The domain of spatial-etl: models, storage, ledger, compute and the phases of the pipeline.

What belongs here: everything that knows about drops, datasets, CRSs, GDAL, PostGIS and the lake.
What does not: Dagster wiring (`etl_pipelines`) and processes or user interfaces (`services`).
"""
