"""The landing zone and the lake: S3 through the minio client, and nothing else about S3."""
