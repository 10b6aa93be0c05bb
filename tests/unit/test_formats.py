"""Drivers and column types: tables that must agree with each other."""

from typing import get_args

import pytest

from libs.compute.arrow_types import arrow_type
from libs.models.errors import SourceError
from libs.models.manifest import OutputFormat
from libs.spatial_utils.column_types import (
    LAYER_TYPES,
    OGR_TYPES,
    POSTGRES_TYPES,
    from_ogr,
    from_postgres,
    is_held_as_text,
    layer_type,
)
from libs.spatial_utils.drivers import (
    OUTPUT_DRIVERS,
    OUTPUT_SUFFIXES,
    VECTOR_DRIVERS,
    driver_of,
)


@pytest.mark.parametrize(
    ("name", "declared", "expected"),
    [
        ("roads.gpkg", None, "GPKG"),
        ("ROADS.SHP", None, "ESRI Shapefile"),
        ("codes.dbf", None, "ESRI Shapefile"),
        ("a.b.GeoJSON", None, "GeoJSON"),
        ("roads.json", None, "GeoJSON"),
        ("roads.ndjson", None, "GeoJSONSeq"),
        ("roads.fgb", None, "FlatGeobuf"),
        ("track.gpx", None, "GPX"),
        ("roads", None, None),
        ("roads.zip", None, None),
        ("roads.vrt", None, None),
        ("gpkg", None, None),
        ("roads.bin", "gpkg", "GPKG"),
        ("roads.gpkg", "geojson", "GeoJSON"),
        ("roads.txt", "esri shapefile", "ESRI Shapefile"),
    ],
)
def test_the_driver_is_the_declared_one_or_that_of_the_suffix(
    name: str, declared: str | None, expected: str | None
) -> None:
    assert driver_of(name, declared) == expected


@pytest.mark.parametrize("declared", ["VRT", "OGR_VRT", "PostgreSQL", "", "GPKG,VRT"])
def test_a_driver_off_the_allow_list_is_refused_and_the_known_are_named(declared: str) -> None:
    with pytest.raises(SourceError) as caught:
        driver_of("roads.gpkg", declared)
    assert caught.value.reason.code == "source.unknown_format"
    for driver in VECTOR_DRIVERS:
        assert driver in caught.value.reason.message


def test_no_suffix_has_two_drivers() -> None:
    suffixes = [suffix for driver in VECTOR_DRIVERS.values() for suffix in driver]
    assert len(suffixes) == len(set(suffixes))


def test_no_driver_that_follows_references_is_allowed() -> None:
    assert {"OGR_VRT", "VRT", "PostgreSQL", "WFS", "HTTP"}.isdisjoint(VECTOR_DRIVERS)


def test_every_output_has_a_suffix_and_every_one_of_gdals_is_read_back() -> None:
    assert set(get_args(OutputFormat)) <= set(OUTPUT_SUFFIXES)
    assert set(OUTPUT_DRIVERS.values()) <= set(VECTOR_DRIVERS)
    assert set(OUTPUT_SUFFIXES) - set(OUTPUT_DRIVERS) == {"geoparquet", "parquet", "cog"}


@pytest.mark.parametrize("name", sorted(set(OGR_TYPES.values())))
def test_every_type_that_is_read_can_be_held_and_written(name: str) -> None:
    assert from_postgres(POSTGRES_TYPES[name]) == name
    assert arrow_type(name) is not None


def test_every_type_that_is_held_can_be_read() -> None:
    assert set(POSTGRES_TYPES) == {*OGR_TYPES.values(), "timestamp", "uuid"}
    assert len(set(POSTGRES_TYPES.values())) == len(POSTGRES_TYPES)


def test_every_list_has_the_type_of_its_elements() -> None:
    for (ogr, subtype), name in OGR_TYPES.items():
        if ogr.endswith("List"):
            assert name == f"{OGR_TYPES[ogr.removesuffix('List'), subtype]}[]"
            assert POSTGRES_TYPES[name] == f"{POSTGRES_TYPES[name.removesuffix('[]')]}[]"


@pytest.mark.parametrize("output_format", sorted(OUTPUT_DRIVERS))
def test_every_type_has_a_column_in_every_format_that_ogr2ogr_writes(output_format: str) -> None:
    held = {name: layer_type(output_format, name) for name in POSTGRES_TYPES}
    assert set(LAYER_TYPES[output_format]) <= set(held)
    as_text = {name for name in held if is_held_as_text(output_format, name)}
    assert as_text == {"time", *(name for name in held if name.endswith("[]"))}


@pytest.mark.parametrize(
    ("ogr", "subtype", "expected"),
    [
        ("String", "None", "text"),
        ("String", "UUID", "text"),
        ("Integer", "Boolean", "boolean"),
        ("DateTime", "None", "timestamptz"),
        ("Integer64List", "None", "bigint[]"),
        ("WideString", "None", None),
        ("String", "Unheard", None),
    ],
)
def test_an_ogr_type_has_our_name(ogr: str, subtype: str, expected: str | None) -> None:
    assert from_ogr(ogr, subtype) == expected


@pytest.mark.parametrize(
    ("postgres", "expected"),
    [("character varying", "text"), ("double precision", "double"), ("geometry", None)],
)
def test_a_postgres_type_has_our_name(postgres: str, expected: str | None) -> None:
    assert from_postgres(postgres) == expected
