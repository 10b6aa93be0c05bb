"""Typed values that travel: settings, manifest, version, receipt and the error tree."""
