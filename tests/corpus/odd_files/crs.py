"""Reference systems: custom, swapped, legacy, mixed, missing, unreadable, not of this earth."""

from pathlib import Path

from tests.corpus.odd_files.case import (
    Expectation,
    case,
    published,
    published_or_rejected,
    rejected,
)
from tests.corpus.odd_files.writing import (
    WGS84_PRJ,
    edit_database,
    feature,
    from_wkt,
    geojson,
    ogr2ogr,
    points,
    sample,
    shapefile,
)

CUSTOM_LAEA = "+proj=laea +lat_0=47.25 +lon_0=9.75 +x_0=1000 +y_0=2000 +ellps=GRS80 +units=m"
MOON = (
    'GEOGCS["GCS_Moon_2000",DATUM["D_Moon_2000",SPHEROID["Moon_2000_IAU_IAG",1737400.0,0.0]],'
    'PRIMEM["Reference_Meridian",0.0],UNIT["Degree",0.0174532925199433]]'
)
LOCAL = (
    'LOCAL_CS["site grid",LOCAL_DATUM["site",32767],UNIT["metre",1],AXIS["X",EAST],AXIS["Y",NORTH]]'
)
TOWGS84 = (
    'PROJCS["DHDN / zone 3",GEOGCS["DHDN",DATUM["Deutsches_Hauptdreiecksnetz",SPHEROID['
    '"Bessel 1841",6377397.155,299.1528128],TOWGS84[598.1,73.7,418.2,0.202,0.045,-2.455,6.7]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",9],PARAMETER["scale_factor",1],'
    'PARAMETER["false_easting",3500000],PARAMETER["false_northing",0],UNIT["metre",1]]'
)
ESRI_LAMBERT = (
    'PROJCS["My_Lambert",GEOGCS["GCS_European_1950",DATUM["D_European_1950",SPHEROID['
    '"International_1924",6378388.0,297.0]],PRIMEM["Greenwich",0.0],UNIT["Degree",'
    '0.0174532925199433]],PROJECTION["Lambert_Conformal_Conic"],PARAMETER["False_Easting",600000.0],'
    'PARAMETER["False_Northing",200000.0],PARAMETER["Central_Meridian",2.33],'
    'PARAMETER["Standard_Parallel_1",45.9],PARAMETER["Standard_Parallel_2",47.7],'
    'PARAMETER["Latitude_Of_Origin",46.8],UNIT["Meter",1.0]]'
)


def _gml(srs: str, coordinates: str, version: str = "3.2") -> str:
    is_old = version == "2"
    namespace = "http://www.opengis.net/gml" + ("" if is_old else "/3.2")
    place = (
        f"<gml:coordinates>{coordinates.replace(' ', ',')}</gml:coordinates>"
        if is_old
        else f"<gml:pos>{coordinates}</gml:pos>"
    )
    return (
        f'<?xml version="1.0"?><gml:FeatureCollection xmlns:gml="{namespace}" xmlns:a="urn:a">'
        '<gml:featureMember><a:place gml:id="p1"><a:name>one</a:name><a:where>'
        f'<gml:Point gml:id="g1" srsName="{srs}">{place}</gml:Point></a:where></a:place>'
        "</gml:featureMember></gml:FeatureCollection>"
    )


@case(Expectation(rows=1, bbox=(13.4, 52.5, 13.4, 52.5)), is_lean=True)
def gml_urn_is_latitude_first(folder: Path) -> Path:
    path = folder / "places.gml"
    path.write_text(_gml("urn:ogc:def:crs:EPSG::4326", "52.5 13.4"))
    return path


@case(Expectation(rows=1, bbox=(13.4, 52.5, 13.4, 52.5)))
def gml_http_uri_is_latitude_first(folder: Path) -> Path:
    path = folder / "places.gml"
    path.write_text(_gml("http://www.opengis.net/def/crs/EPSG/0/4326", "52.5 13.4"))
    return path


@case(Expectation(rows=1, bbox=(13.4, 52.5, 13.4, 52.5)))
def gml_short_name_is_longitude_first(folder: Path) -> Path:
    path = folder / "places.gml"
    path.write_text(_gml("EPSG:4326", "13.4 52.5", version="2"))
    return path


@case(rejected("crs.missing"))
def gml_without_srs(folder: Path) -> Path:
    path = folder / "places.gml"
    path.write_text(_gml("", "13.4 52.5").replace(' srsName=""', ""))
    return path


@case(published(rows=2), is_lean=True)
def prj_without_authority(folder: Path) -> list[Path]:
    return shapefile(folder, "france", [b"one", b"two"], prj=ESRI_LAMBERT)


@case(published(rows=2))
def prj_with_towgs84(folder: Path) -> list[Path]:
    return shapefile(folder, "saxony", [b"one", b"two"], prj=TOWGS84)


@case(published(rows=3), manifest_fields={"options": {"target_crs": "source"}}, is_lean=True)
def custom_crs_kept(folder: Path) -> Path:
    return sample(folder / "alps.gpkg", "-t_srs", CUSTOM_LAEA)


@case(published(rows=3))
def us_survey_feet(folder: Path) -> Path:
    source = from_wkt(folder / "in.gpkg", "POINT(-74 40.7)", "POINT(-73.9 40.8)", "POINT(-73.8 41)")
    made = ogr2ogr(folder / "new_york.gpkg", "-t_srs", "EPSG:2263", source)
    source.unlink()
    return made


@case(published(rows=1))
def krovak_south_west(folder: Path) -> Path:
    """Axes that point south and west."""
    source = from_wkt(folder / "in.gpkg", "POINT(14.4 50.1)")
    made = ogr2ogr(folder / "prague.gpkg", "-t_srs", "EPSG:5513", source)
    source.unlink()
    return made


@case(published(rows=1))
def compound_crs_with_heights(folder: Path) -> Path:
    return from_wkt(folder / "heights.gpkg", "POINT Z (13.4 52.5 30)", crs="EPSG:4326+5773")


@case(Expectation(rows=1, bbox=(8.983152841195214, 0, 8.983152841195214, 0)), is_lean=True)
def geojson_legacy_crs(folder: Path) -> Path:
    name = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}}
    point = {"type": "Point", "coordinates": [1_000_000, 0]}
    return geojson(folder / "mercator.geojson", [feature({"n": 1}, point)], crs=name)


@case(rejected("crs.*"))
def geojson_legacy_crs_unknown(folder: Path) -> Path:
    name = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::999999"}}
    return geojson(folder / "nowhere.geojson", points(), crs=name)


@case(published("crs.declared_used", rows=3), file_fields={"crs": "EPSG:4326"})
def geojson_legacy_code_unknown_declared(folder: Path) -> Path:
    name = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::999999"}}
    return geojson(folder / "nowhere.geojson", points(), crs=name)


@case(published(rows=3), file_fields={"crs": "EPSG:4326"})
def geojson_legacy_crs_unknown_declared(folder: Path) -> Path:
    name = {"type": "name", "properties": {"name": "urn:ogc:def:crs:ACME::1"}}
    return geojson(folder / "nowhere.geojson", points(), crs=name)


@case(published_or_rejected("crs.missing"))
def geojson_crs_null(folder: Path) -> Path:
    return geojson(folder / "null.geojson", points(), crs=None)


@case(published_or_rejected("crs.*", "geometry.*", "source.*", warnings=("*range*",)), is_lean=True)
def geojson_metres_without_crs(folder: Path) -> Path:
    """GeoJSON is lon/lat by its standard; these numbers cannot be."""
    point = {"type": "Point", "coordinates": [691_000.5, 5_334_000.25]}
    return geojson(folder / "munich.geojson", [feature({"n": 1}, point)])


@case(rejected("crs.missing"), is_lean=True)
def shapefile_without_prj(folder: Path) -> list[Path]:
    return shapefile(folder, "cities", [b"one", b"two"], prj=None)


@case(published(rows=2), file_fields={"crs": "EPSG:4326"})
def shapefile_without_prj_declared(folder: Path) -> list[Path]:
    return shapefile(folder, "cities", [b"one", b"two"], prj=None)


@case(rejected("crs.*"), is_lean=True)
def prj_unreadable(folder: Path) -> list[Path]:
    return shapefile(folder, "cities", [b"one", b"two"], prj="GEOGCS[what is this")


@case(rejected("crs.*"))
def prj_empty(folder: Path) -> list[Path]:
    return shapefile(folder, "cities", [b"one", b"two"], prj="")


@case(published(rows=2))
def prj_with_byte_order_mark(folder: Path) -> list[Path]:
    return shapefile(folder, "cities", [b"one", b"two"], prj="\ufeff" + WGS84_PRJ)


@case(rejected("crs.*"), is_lean=True)
def crs_of_the_moon(folder: Path) -> list[Path]:
    return shapefile(folder, "craters", [b"one", b"two"], prj=MOON)


@case(published(rows=2), manifest_fields={"options": {"target_crs": "source"}})
def crs_of_the_moon_kept(folder: Path) -> list[Path]:
    return shapefile(folder, "craters", [b"one", b"two"], prj=MOON)


@case(rejected("crs.*"))
def crs_of_a_building_site(folder: Path) -> list[Path]:
    return shapefile(folder, "site", [b"one", b"two"], prj=LOCAL)


@case(published(rows=2), manifest_fields={"options": {"target_crs": "source"}})
def crs_of_a_building_site_kept(folder: Path) -> list[Path]:
    return shapefile(folder, "site", [b"one", b"two"], prj=LOCAL)


@case(rejected("crs.missing"))
def geopackage_undefined_cartesian(folder: Path) -> Path:
    return _with_srs(sample(folder / "drawing.gpkg"), -1)


@case(rejected("crs.missing"))
def geopackage_undefined_geographic(folder: Path) -> Path:
    return _with_srs(sample(folder / "drawing.gpkg"), 0)


def _with_srs(path: Path, number: int) -> Path:
    tables = ("gpkg_contents", "gpkg_geometry_columns")
    return edit_database(path, *(f"UPDATE {table} SET srs_id = {number}" for table in tables))


@case(published(rows=6))
def two_layers_in_two_crs(folder: Path) -> Path:
    path = sample(folder / "both.gpkg", "-nln", "a")
    other = sample(folder / "other.gpkg", "-nln", "b", "-t_srs", "EPSG:3857")
    ogr2ogr(path, "-update", other)
    other.unlink()
    return path


def _one_table(folder: Path) -> list[Path]:
    first = sample(folder / "a.gpkg")
    return [first, sample(folder / "b.gpkg", "-t_srs", "EPSG:3857")]


@case(published(rows=6), file_fields={"table": "both"}, is_lean=True)
def mixed_crs_in_one_table(folder: Path) -> list[Path]:
    return _one_table(folder)


@case(
    rejected("crs.mixed"),
    file_fields={"table": "both"},
    manifest_fields={"options": {"target_crs": "source"}},
)
def mixed_crs_in_one_table_kept(folder: Path) -> list[Path]:
    return _one_table(folder)


@case(rejected("crs.contradiction"), file_fields={"crs": "EPSG:25832"}, is_lean=True)
def declared_crs_contradicts(folder: Path) -> Path:
    return sample(folder / "cities.gpkg")


@case(rejected("crs.*"), file_fields={"crs": "EPSG:999999"})
def declared_crs_unknown(folder: Path) -> list[Path]:
    return shapefile(folder, "cities", [b"one"], prj=None)


@case(published(rows=2))
def across_the_dateline(folder: Path) -> Path:
    """In this CRS the island is one piece; in lon/lat it would go round the world."""
    islands = ("POLYGON((3300000 -1900000,3400000 -1900000,3400000 -1800000,3300000 -1900000))",)
    return from_wkt(folder / "fiji.gpkg", *islands, "POINT(3330000 -1850000)", crs="EPSG:3832")


@case(published(rows=1))
def around_the_pole(folder: Path) -> Path:
    ring = "POLYGON((-1000 -1000,1000 -1000,1000 1000,-1000 1000,-1000 -1000))"
    return from_wkt(folder / "pole.gpkg", ring, crs="EPSG:3031")


@case(published_or_rejected("crs.*", "fidelity.*", "geometry.*", "source.*"))
def outside_the_projection(folder: Path) -> Path:
    """Coordinates that no place on earth has in this projection."""
    return from_wkt(folder / "far.gpkg", "POINT(9e15 9e15)", crs="EPSG:32632")


@case(rejected("crs.missing"))
def flatgeobuf_without_crs(folder: Path) -> Path:
    return from_wkt(folder / "plain.fgb", "POINT(1 2)", crs=None)
