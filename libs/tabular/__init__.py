"""Tables in files: CSV, XLSX, JSON and Parquet as batches of Arrow, nothing lost unsaid."""
