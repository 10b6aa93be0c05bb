"""GeoJSON and sequences of it, read exactly: text to Arrow columns and WKB.

`documents` finds the features, `features` decodes them, `columns` types their values, `geometries`
makes WKB, `reader` does all of it. Nothing of GDAL is used: its GeoJSON driver changes values and
drops geometries without a word.
"""
