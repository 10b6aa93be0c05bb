"""Facts of the field: CRSs, drivers, column types, schema names, GDAL as a child process."""
