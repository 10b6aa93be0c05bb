"""Archives and compressed files: unpacked inside the work folder, within limits, or refused."""
