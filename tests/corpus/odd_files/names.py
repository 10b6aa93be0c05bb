"""Names of columns, layers and files that clash, are too long, or mean something to a program."""

import json
from pathlib import Path

from tests.corpus.odd_files.case import (
    Expectation,
    case,
    published,
    published_or_rejected,
    register,
)
from tests.corpus.odd_files.writing import feature, geojson, ogr2ogr, points, sample, shapefile

COLUMNS = {
    "reserved-words": ["select", "from", "table", "user", "order", "primary", "null"],
    "of-our-own": ["fid", "ogc_fid", "geom", "geometry", "wkb_geometry", "c0", "__geom", "bbox"],
    "differ-by-case": ["Name", "NAME", "name", "nAME"],
    "quotes-and-breaks": ['a"b', "a'b", "a\nb", "a;b", "a%sb", "a\\b", "a{0}", "$1", "--"],
    "longer-than-63-bytes": ["x" * 64, "x" * 63 + "y", "ü" * 40, "z" * 500],
    "blank": ["", " ", "  ", "\t"],
    "in-other-scripts": ["größe", "名前", "ім'я", "😀", "a\u0301", "á"],
    "like-numbers": ["1", "1.5", "-1", "true", "NaN"],
    "of-the-system": ["ctid", "xmin", "tableoid", "oid", "cmax"],
}
for _name, _columns in COLUMNS.items():
    register(
        f"columns-{_name}",
        lambda folder, columns=_columns: geojson(
            folder / "names.geojson", points(2, **{c: [f"{c}0", f"{c}1"] for c in columns})
        ),
        Expectation(
            rows=2, cells={c: [f"{c}0", f"{c}1"] for c in _columns} if "blank" not in _name else {}
        ),
        is_lean=_name in ("of-our-own", "differ-by-case", "longer-than-63-bytes"),
    )


@case(Expectation(rows=2, cells={"column_1499": [1499, 1499]}), is_lean=True)
def columns_by_the_thousand(folder: Path) -> Path:
    wide = {f"column_{n}": [n, n] for n in range(1500)}
    return geojson(folder / "wide.geojson", points(2, **wide))


@case(published_or_rejected("source.*", "column.*"))
def columns_more_than_postgres_holds(folder: Path) -> Path:
    wide = {f"column_{n}": [n, n] for n in range(1700)}
    return geojson(folder / "wide.geojson", points(2, **wide))


@case(published_or_rejected("source.*", warnings=("*",)))
def columns_twice_in_one_feature(folder: Path) -> Path:
    """JSON's last value wins; the first one is lost."""
    path = folder / "twice.geojson"
    path.write_text(
        '{"type":"FeatureCollection","features":[{"type":"Feature","properties":'
        '{"a":1,"a":2},"geometry":{"type":"Point","coordinates":[1,2]}}]}'
    )
    return path


@case(published(rows=2))
def columns_twice_in_a_dbf(folder: Path) -> list[Path]:
    from tests.corpus.odd_files.writing import dbf_table

    made = shapefile(folder, "twice", [b"a", b"b"], cpg="UTF-8")
    fields = [(b"NAME", b"C", 4, 0), (b"NAME", b"C", 4, 0)]
    made[2].write_bytes(dbf_table(fields, [[b"a", b"b"], [b"c", b"d"]]))
    return made


@case(published(rows=2))
def columns_none_at_all(folder: Path) -> Path:
    place = {"type": "Point", "coordinates": [1, 2]}
    return geojson(folder / "bare.geojson", [feature({}, place)] * 2)


LAYERS = {
    "injection": 'a"; DROP TABLE x; --',
    "with-blanks": "  two  words ",
    "with-slash": "a/b\\c",
    "with-dots": "..",
    "in-cyrillic": "Дороги",
    "very-long": "l" * 300,
    "like-an-option": "-oo",
    "with-quote": "it's",
    "of-the-system": "spatial_ref_sys",
}
for _name, _layer in LAYERS.items():
    register(
        f"layer-{_name}",
        lambda folder, layer=_layer: geojson(folder / "odd.geojson", points(), name=layer),
        published(rows=3),
        is_lean=_name in ("injection", "like-an-option"),
    )


@case(published_or_rejected("source.table_names_clash"))
def layers_that_differ_by_case(folder: Path) -> Path:
    path = folder / "layers.kml"
    placemark = "<Placemark><name>a</name><Point><coordinates>1,2</coordinates></Point></Placemark>"
    path.write_text(
        '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>'
        f"<Folder><name>Roads</name>{placemark}</Folder>"
        f"<Folder><name>roads</name>{placemark}</Folder></Document></kml>"
    )
    return path


FILES = {
    "with-blanks": "my data (final) v2.geojson",
    "in-unicode": "Straßen_東京.geojson",
    "decomposed": "stra\u0308ssen.geojson",
    "like-an-option": "-oo.geojson",
    "with-quotes": 'it\'s "it".geojson',
    "with-percent": "100%25 %s.geojson",
    "with-plus-and-hash": "a+b#c&d=e?f.geojson",
    "with-colon": "PG:dbname=x.geojson",
    "with-brackets": "a[1]{b}.geojson",
    "with-dollar": "$HOME`id`.geojson",
    "very-long": "n" * 200 + ".geojson",
    "upper-case": "ROADS.GEOJSON",
    "two-suffixes": "roads.shp.geojson",
    "with-leading-dot": ".roads.geojson",
}
for _name, _file in FILES.items():
    register(
        f"file-{_name}",
        lambda folder, name=_file: geojson(folder / name, points()),
        published(rows=3),
        is_lean=_name in ("like-an-option", "in-unicode", "with-percent"),
    )


@case(published(rows=3))
def file_without_suffix(folder: Path) -> Path:
    return geojson(folder / "roads", points())


@case(published_or_rejected("source.*"))
def file_with_the_suffix_of_another_format(folder: Path) -> Path:
    path = sample(folder / "roads.gpkg")
    return path.rename(folder / "roads.geojson")


@case(published(rows=3))
def file_json_suffix(folder: Path) -> Path:
    return geojson(folder / "roads.json", points())


@case(published_or_rejected("source.*"))
def file_json_that_is_no_geojson(folder: Path) -> Path:
    path = folder / "package.json"
    path.write_text(json.dumps({"name": "x", "version": "1.0"}))
    return path


@case(published(rows=2))
def shapefile_with_a_part_in_upper_case(folder: Path) -> list[Path]:
    made = shapefile(folder, "Cities", [b"one", b"two"], cpg="UTF-8")
    return [path.rename(path.with_suffix(path.suffix.upper())) for path in made]


@case(published(rows=3))
def geopackage_with_uppercase_suffix(folder: Path) -> Path:
    path = sample(folder / "roads.gpkg")
    return ogr2ogr(folder / "ROADS.GPKG", path, driver="GPKG")
