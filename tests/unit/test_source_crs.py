"""Which CRS a layer is in, by what its file says and what the manifest declares."""

from dataclasses import replace

import pytest

from libs.models.errors import CrsError
from libs.pipeline.kinds.source_crs import SourceCrs, source_crs
from libs.spatial_utils.crs import parse_crs
from libs.spatial_utils.crs_text import NO_CRS_TEXT, CrsText
from libs.spatial_utils.layers import GeometryField, LayerCrs
from tests.unit.examples import found, geometry_rows, layer

POINTS = geometry_rows("Point", 1)


def decide(
    own: str | None,
    declared: str | None,
    *,
    driver: str = "GPKG",
    said: CrsText = NO_CRS_TEXT,
    keeps_source: bool = False,
) -> SourceCrs:
    crs = LayerCrs(wkt=parse_crs(own).wkt, is_swapped=False) if own else None
    there = found(layer("a", POINTS, crs=crs), driver=driver, crs=declared)
    return source_crs(replace(there, crs_text=said), keeps_source=keeps_source)


def code_of_refusal(*args: str | None, **options: object) -> str:
    with pytest.raises(CrsError) as refused:
        decide(*args, **options)  # type: ignore[arg-type]
    return refused.value.reason.code


@pytest.mark.parametrize(
    ("own", "declared", "expected"),
    [
        ("EPSG:25832", None, "EPSG:25832"),
        (None, "EPSG:25832", "EPSG:25832"),
        ("EPSG:4326", "OGC:CRS84", "OGC:CRS84"),
        ("EPSG:3857", "EPSG:900913", "EPSG:3857"),
        ("EPSG:5555", "EPSG:25832", "EPSG:5555"),
        ("EPSG:25832", "EPSG:5555", "EPSG:5555"),
    ],
    ids=["own", "declared", "CRS84", "old code", "heights in the file", "heights declared"],
)
def test_what_file_and_manifest_agree_on_is_taken(
    own: str | None, declared: str | None, expected: str
) -> None:
    decided = decide(own, declared)
    assert decided.crs is not None
    assert (decided.crs.name, decided.warnings) == (expected, ())


@pytest.mark.parametrize(
    ("own", "driver", "said"),
    [
        ("EPSG:4326", "GeoJSON", NO_CRS_TEXT),
        ("EPSG:4326", "GeoJSONSeq", NO_CRS_TEXT),
        ("EPSG:4326", "GeoJSON", CrsText(is_null=True)),
        ("EPSG:4326", "GeoJSON", CrsText('"my grid"')),
        (None, "ESRI Shapefile", CrsText("PROJCS[")),
        ('LOCAL_CS["site",LOCAL_DATUM["site",0],UNIT["metre",1]]', "GPKG", NO_CRS_TEXT),
    ],
    ids=["GeoJSON", "lines of GeoJSON", "null", "unknown name", "broken .prj", "local"],
)
def test_a_declared_crs_stands_in_where_the_file_names_none(
    own: str | None, driver: str, said: CrsText
) -> None:
    decided = decide(own, "EPSG:25832", driver=driver, said=said)
    assert decided.crs == parse_crs("EPSG:25832")
    assert [warn.code for warn in decided.warnings] == ["crs.declared_used"]


@pytest.mark.parametrize(
    ("own", "declared", "driver", "said", "code"),
    [
        (None, None, "GPKG", NO_CRS_TEXT, "crs.missing"),
        (None, None, "ESRI Shapefile", CrsText("PROJCS["), "crs.unreadable"),
        ("EPSG:25833", "EPSG:25832", "GPKG", NO_CRS_TEXT, "crs.contradiction"),
        ("EPSG:4326", "EPSG:25832", "GeoJSON", CrsText("OGC:CRS84"), "crs.contradiction"),
        ("EPSG:4326", "EPSG:25832", "GPX", NO_CRS_TEXT, "crs.contradiction"),
    ],
    ids=["none", "broken .prj", "another zone", "GeoJSON that names one", "always WGS 84"],
)
def test_a_missing_unreadable_or_contradicting_crs_is_refused(
    own: str | None, declared: str | None, driver: str, said: CrsText, code: str
) -> None:
    assert code_of_refusal(own, declared, driver=driver, said=said) == code


def test_a_prj_that_gdal_does_not_read_is_read_here() -> None:
    decided = decide(None, None, driver="ESRI Shapefile", said=CrsText("EPSG:25832"))
    assert decided.crs == parse_crs("EPSG:25832")
    assert [warn.code for warn in decided.warnings] == ["crs.read_from_text"]


def test_an_undefined_crs_is_missing_unless_it_is_kept() -> None:
    undefined = 'LOCAL_CS["Undefined Cartesian SRS",UNIT["metre",1]]'
    assert code_of_refusal(undefined, None) == "crs.missing"
    assert decide(undefined, None, keeps_source=True).crs == parse_crs(undefined)


def test_features_in_several_crss_are_refused_by_name() -> None:
    field = GeometryField(name="geom", crs=None, feature_crs=("UTM 32", "UTM 33"))
    mixed = layer("a", POINTS).model_copy(update={"geometry_fields": (field,)})
    with pytest.raises(CrsError, match="UTM 32, UTM 33") as refused:
        source_crs(found(mixed, crs="EPSG:4326"), keeps_source=False)
    assert refused.value.reason.code == "crs.mixed"


def test_an_epoch_that_is_not_published_is_told() -> None:
    crs = LayerCrs(wkt=parse_crs("EPSG:9990").wkt, is_swapped=False, epoch=2021.3)
    decided = source_crs(found(layer("a", POINTS, crs=crs)), keeps_source=True)
    assert [warn.code for warn in decided.warnings] == ["crs.epoch_dropped"]
