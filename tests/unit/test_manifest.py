"""The manifest: what is accepted, and how everything else is refused."""

import json
from pathlib import Path
from typing import Any, get_args

import bson
import pytest

from libs.models.errors import ManifestError
from libs.models.manifest import (
    INTENT_GEOMETRY_TYPES,
    MAX_DATASET_ID,
    MAX_MANIFEST_BYTES,
    Intent,
    Manifest,
    canonical_json,
    drop_id,
    manifest_schema,
    parse_manifest,
    read_manifest_json,
)
from tests.unit.examples import BUCKET, ROADS, document, manifest

SNAPSHOT = Path(__file__).parents[1] / "data" / "manifest.schema.json"


def put(value: Any, *place: str | int, into: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a valid manifest with `value` at `place`."""
    changed = into or document()
    target: Any = changed
    for part in place[:-1]:
        target = target.setdefault(part, {}) if isinstance(target, dict) else target[part]
    target[place[-1]] = value
    return changed


def without(*place: str | int) -> dict[str, Any]:
    changed = document()
    target: Any = changed
    for part in place[:-1]:
        target = target[part]
    del target[place[-1]]
    return changed


def refusal(changed: dict[str, Any]) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        parse_manifest(changed, landing_bucket=BUCKET)
    return caught.value


def test_the_smallest_manifest_gets_the_defaults() -> None:
    read = manifest(dataset_id=None)
    assert read.options.target_crs == "EPSG:4326"
    assert read.options.outputs is None
    assert read.options.wait_for_files_s == 600
    assert not read.options.repair
    assert read.files[0].layers == ()


def test_a_full_manifest_is_read() -> None:
    full = document(
        files=[
            {
                "path": ROADS, "type": "vector", "format": "GPKG", "crs": "EPSG:25832",
                "layer": ["roads", "paths"], "table": "Straßen", "encoding": "ISO-8859-1",
                "sha256": "a" * 64,
            }
        ],
        metadata={
            "project": "p", "description": "d", "title": "t", "source": "s", "license": "l",
            "keywords": ["a", "b"],
        },
        contract={
            "crs": "EPSG:4326", "bbox": [0, 0, 1, 1], "geometry_types": ["LineString"],
            "key": ["id"], "columns": {"id": "text"}, "min_rows": 1, "max_rows": 9,
        },
        options={
            "target_crs": "source", "repair": True, "union_columns": True, "outputs": ["gpkg"],
            "wait_for_files_s": 0,
        },
    )  # fmt: skip
    read = parse_manifest(full, landing_bucket=BUCKET)
    assert read.model_dump(mode="json", exclude_unset=True) == full
    assert (read.files[0].bucket, read.files[0].key) == (BUCKET, "uploads/roads.gpkg")
    assert (read.files[0].name, read.files[0].layers) == ("roads.gpkg", ("roads", "paths"))


@pytest.mark.parametrize(
    "place",
    [
        ("batch_id",), ("uploader",), ("intent",), ("files",), ("files", 0, "path"),
        ("files", 0, "type"), ("metadata",), ("metadata", "project"), ("metadata", "description"),
    ],
)  # fmt: skip
def test_a_missing_field_is_named(place: tuple[str | int, ...]) -> None:
    error = refusal(without(*place))
    assert error.reason.code == "manifest.invalid"
    assert f"{'.'.join(map(str, place))}: Field required" in error.reason.message


@pytest.mark.parametrize(
    ("place", "known"),
    [
        (
            ("colour",),
            "batch_id, contract, dataset_id, files, inputs, intent, metadata, options, uploader",
        ),
        (
            ("files", 0, "colour"),
            "columns, crs, delimiter, encoding, format, layer, path, sha256, table, type",
        ),
        (
            ("metadata", "colour"),
            "description, keywords, license, project, source, title",
        ),
        (
            ("contract", "colour"),
            "bbox, columns, crs, geometry_types, key, max_rows, min_rows",
        ),
        (
            ("options", "colour"),
            "allow_no_match, bad_rows, expect, guess_types, how, max_distance_m, min_match_rate, "
            "on, outputs, predicate, repair, target_crs, union_columns, wait_for_files_s, "
            "x_column, y_column",
        ),
    ],
)
def test_an_unknown_field_names_the_known_ones(place: tuple[str | int, ...], known: str) -> None:
    message = refusal(put("red", *place)).reason.message
    assert f"{'.'.join(map(str, place))}: unknown field; known here: {known}" in message


def test_every_problem_is_named_at_once() -> None:
    changed = put(-1, "contract", "min_rows", into=put("red", "colour", into=without("uploader")))
    message = refusal(changed).reason.message
    for part in ("uploader: Field required", "colour: unknown", "contract.min_rows:"):
        assert part in message


def test_an_unknown_intent_names_the_known_ones() -> None:
    error = refusal(put("ingest_music", "intent"))
    assert error.reason.code == "manifest.unknown_intent"
    assert "found 'ingest_music'" in error.reason.message
    for known in get_args(Intent):
        assert known in error.reason.message


@pytest.mark.parametrize("intent", [5, None, ["ingest_vector"], {}])
def test_an_intent_that_is_no_text_is_refused(intent: Any) -> None:
    assert "intent:" in refusal(put(intent, "intent")).reason.message


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("s3://another-bucket/roads.gpkg", "manifest.foreign_path"),
        ("s3://data-lake/transport/roads/v1-x/roads.fgb", "manifest.foreign_path"),
        ("s3://landing-zone.evil/roads.gpkg", "manifest.foreign_path"),
        ("s3://landing-zone/../etc/passwd", "manifest.invalid"),
        ("s3://landing-zone/a/../../b", "manifest.invalid"),
        ("s3://landing-zone/a/./b", "manifest.invalid"),
        ("s3://landing-zone/a//b", "manifest.invalid"),
        ("s3://landing-zone//a", "manifest.invalid"),
        ("s3://landing-zone/folder/", "manifest.invalid"),
        ("s3://landing-zone/", "manifest.invalid"),
        ("s3://landing-zone", "manifest.invalid"),
        ("s3:///roads.gpkg", "manifest.invalid"),
        ("s3://landing-zone/a\nb", "manifest.invalid"),
        ("s3://landing-zone/a\x00b", "manifest.invalid"),
        ("s3://landing-zone/a\tb", "manifest.invalid"),
        ("/vsizip/s3://landing-zone/a.zip", "manifest.invalid"),
        ("/vsicurl/http://example.org/a.gpkg", "manifest.invalid"),
        ("/vsis3/landing-zone/a.gpkg", "manifest.invalid"),
        ("http://example.org/a.gpkg", "manifest.invalid"),
        ("https://landing-zone/a.gpkg", "manifest.invalid"),
        ("file:///etc/passwd", "manifest.invalid"),
        ("/etc/passwd", "manifest.invalid"),
        ("uploads/roads.gpkg", "manifest.invalid"),
        ("PG:host=postgis", "manifest.invalid"),
        ("", "manifest.invalid"),
        ("x\ns3://landing-zone/a", "manifest.invalid"),
    ],
)
def test_a_path_outside_the_landing_bucket_is_refused(path: str, code: str) -> None:
    error = refusal(put(path, "files", 0, "path"))
    assert error.reason.code == code
    assert error.reason.remedy


def test_a_version_number_that_no_ledger_holds_is_refused() -> None:
    inputs = [{"dataset_id": "a", "version": 2**63}, {"dataset_id": "b"}]
    joined = {**document(), "intent": "join_datasets", "files": [], "inputs": inputs}
    assert "inputs.0.version" in refusal(joined).reason.message


@pytest.mark.parametrize(
    "key", ["roads.gpkg", "ä b/Straßen (1).zip", "a/..b/c", "x%2e%2e/y", "日本"]
)
def test_any_other_key_is_accepted(key: str) -> None:
    assert manifest(f"s3://{BUCKET}/{key}").files[0].key == key


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("", ("batch_id",)),
        ("x" * 201, ("batch_id",)),
        (5, ("batch_id",)),
        ("", ("uploader",)),
        ([], ("files",)),
        ([{"path": ROADS, "type": "vector"}] * 1001, ("files",)),
        ("raster", ("files", 0, "type")),
        ("", ("files", 0, "crs")),
        ("UTF-8; DROP", ("files", 0, "encoding")),
        ("UTF-8\n", ("files", 0, "encoding")),
        ("A" * 64, ("files", 0, "sha256")),
        ("a" * 63, ("files", 0, "sha256")),
        ("", ("files", 0, "table")),
        ("..", ("files", 0, "table")),
        ("a/b", ("files", 0, "table")),
        ("a\\b", ("files", 0, "table")),
        ("a\nb", ("files", 0, "table")),
        ("x" * 121, ("files", 0, "table")),
        (5, ("files", 0, "layer")),
        ("", ("metadata", "project")),
        ("", ("metadata", "description")),
        ([0, 0, 1], ("contract", "bbox")),
        (["Curve"], ("contract", "geometry_types")),
        ([], ("contract", "key")),
        (-1, ("contract", "min_rows")),
        (2**63, ("contract", "max_rows")),
        ("", ("options", "target_crs")),
        ([], ("options", "outputs")),
        (["shapefile"], ("options", "outputs")),
        (-1, ("options", "wait_for_files_s")),
        (8 * 86_400, ("options", "wait_for_files_s")),
        ("perhaps", ("options", "repair")),
    ],
)
def test_a_wrong_value_is_refused_at_its_place(value: Any, place: tuple[str | int, ...]) -> None:
    error = refusal(put(value, *place))
    assert error.reason.code == "manifest.invalid"
    assert f"{'.'.join(map(str, place))}" in error.reason.message


@pytest.mark.parametrize(
    "place", [("batch_id",), ("uploader",), ("metadata", "project")], ids=lambda item: item[-1]
)
@pytest.mark.parametrize("character", ["\x00", "\n", "\x1b"], ids=repr)
def test_a_label_with_a_control_character_is_refused(
    character: str, place: tuple[str, ...]
) -> None:
    error = refusal(put(f"a{character}b", *place))
    assert ".".join(place) in error.reason.message


def test_a_column_name_that_the_ledger_cannot_hold_is_refused() -> None:
    contract = {"columns": {"a\x00b": "text"}}
    with pytest.raises(bson.errors.InvalidDocument):
        bson.encode(contract)
    assert "contract.columns" in refusal(document(contract=contract)).reason.message


def test_a_file_named_twice_is_refused() -> None:
    error = refusal(document(ROADS, ROADS))
    assert f"found {ROADS} more than once" in error.reason.message


@pytest.mark.parametrize("name", ["transport/roads", "a", "a.b-c_d/9", "x" * MAX_DATASET_ID])
def test_a_slug_path_is_a_dataset_id(name: str) -> None:
    assert manifest(dataset_id=name).resolved_dataset_id == name


@pytest.mark.parametrize(
    "name",
    ["", "/", "a/", "/a", "a//b", "..", "a/../b", ".a", "a.", "-a", "A", "ä", "a b", "a\n",
     "x" * (MAX_DATASET_ID + 1)],
)  # fmt: skip
def test_anything_else_is_no_dataset_id(name: str) -> None:
    assert "dataset_id: expected a slug path" in refusal(put(name, "dataset_id")).reason.message


@pytest.mark.parametrize(
    ("project", "path", "expected"),
    [
        ("City base map", "uploads/Roads 2026.gpkg", "city-base-map/roads-2026"),
        ("a/b", "x.tar.gz", "a-b/x"),
        ("..", "x.shp", "unnamed/x"),
        ("Zürich", "Straßen.zip", "z-rich/stra-en"),
        ("p", ".gpkg", "p/unnamed"),
        ("p", "日本.gpkg", "p/unnamed"),
    ],
)
def test_a_missing_dataset_id_comes_from_project_and_first_file(
    project: str, path: str, expected: str
) -> None:
    read = manifest(
        f"s3://{BUCKET}/{path}",
        f"s3://{BUCKET}/other.gpkg",
        dataset_id=None,
        metadata={"project": project, "description": "d"},
    )
    assert read.resolved_dataset_id == expected


def test_a_derived_dataset_id_keeps_the_rules_of_a_given_one() -> None:
    read = manifest(
        f"s3://{BUCKET}/{'f' * 500}.gpkg",
        dataset_id=None,
        metadata={"project": "p" * 200, "description": "d"},
    )
    assert manifest(dataset_id=read.resolved_dataset_id)


@pytest.mark.parametrize(
    ("intent", "contract", "expected"),
    [
        ("ingest_vector", None, None),
        ("ingest_vector", ("Point",), ("Point",)),
        ("ingest_building_footprints", None, ("Polygon", "MultiPolygon")),
        ("ingest_road_network", None, ("LineString", "MultiLineString")),
        ("ingest_road_network", ("LineString", "Point"), ("LineString",)),
        ("ingest_road_network", ("Point",), ()),
    ],
)
def test_geometry_types_are_those_of_contract_and_intent(
    intent: str, contract: tuple[str, ...] | None, expected: tuple[str, ...] | None
) -> None:
    given = {} if contract is None else {"contract": {"geometry_types": contract}}
    assert manifest(intent=intent, **given).geometry_types == expected


def test_every_intent_with_geometry_types_is_an_intent() -> None:
    assert set(INTENT_GEOMETRY_TYPES) <= set(get_args(Intent))


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "content",
    [
        encoded(document()),
        b"\xef\xbb\xbf" + encoded(document()),
        json.dumps(document(), indent=4).encode() + b"\r\n",
    ],
    ids=["plain", "with a BOM", "with white space"],
)
def test_json_is_read(content: bytes) -> None:
    assert read_manifest_json(content) == document()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting"),
        (b"{'a': 1}", "Expecting property name"),
        (encoded(document())[:-1], "Expecting"),
        (b"\xff\xfe{\x00}\x00", "codec can't decode"),
        ('{"a": "ä"}'.encode("latin-1"), "codec can't decode"),
        (b'{"a": 1, "a": 2}', "the field 'a' stands more than once"),
        (b'{"b": [{"a": 1, "a": 2}]}', "the field 'a' stands more than once"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b'{"a": 1e999}', "not JSON compliant"),
        (b'{"a": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
        (b'{"a": "\\ud800"}', "surrogates not allowed"),
        (b'{"\\udfff": 1}', "surrogates not allowed"),
        (b'{"a":' * 100_000, "recursion"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "recursion"),
        (b"[]", "found list"),
        (b"null", "found NoneType"),
        (b'"text"', "found str"),
    ],
)
def test_what_is_no_json_object_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read_manifest_json(content)
    assert caught.value.reason.code == "manifest.invalid_json"
    assert said in caught.value.reason.message


def test_a_manifest_may_be_as_large_as_the_limit_and_no_larger() -> None:
    padding = b" " * (MAX_MANIFEST_BYTES - 2)
    assert read_manifest_json(b"{" + padding + b"}") == {}
    with pytest.raises(ManifestError) as caught:
        read_manifest_json(b"{" + padding + b" }")
    assert caught.value.reason.code == "manifest.too_large"


FILES = [(ROADS, "e1", 10), (f"s3://{BUCKET}/b.gpkg", "e2", 20)]


def test_a_drop_is_the_same_whatever_the_order_of_keys_and_the_white_space() -> None:
    reordered = json.loads(
        json.dumps(dict(reversed(document().items())), indent=8), object_pairs_hook=dict
    )
    assert list(reordered) != list(document())
    assert drop_id(reordered, FILES) == drop_id(document(), FILES)


@pytest.mark.parametrize(
    ("changed", "files"),
    [
        (put("roads-2026-12", "batch_id"), FILES),
        (put("Roads.", "metadata", "description"), FILES),
        (document(), [(ROADS, "e3", 10), FILES[1]]),
        (document(), [(ROADS, "e1", 11), FILES[1]]),
        (document(), FILES[::-1]),
        (document(), FILES[:1]),
        (document(), [(ROADS, "", -1), FILES[1]]),
    ],
    ids=["label", "metadata", "etag", "size", "order", "fewer", "missing"],
)
def test_a_drop_is_another_one(changed: dict[str, Any], files: list[tuple[str, str, int]]) -> None:
    assert drop_id(changed, files) != drop_id(document(), FILES)


def test_a_drop_id_is_a_sha256_that_never_changes() -> None:
    assert drop_id({"a": 1}, [("p", "e", 2)]) == (
        "f07ca17cc872d8131ed57353514525063d68eddd203b0ce8b4575d8a3e552580"
    )


def test_canonical_json_is_sorted_and_keeps_unicode() -> None:
    assert canonical_json({"b": "ä", "a": [1, 2.5, None]}) == '{"a":[1,2.5,null],"b":"ä"}'.encode()


def test_the_json_schema_is_the_committed_one() -> None:
    message = f"`spatial-etl schema > {SNAPSHOT}` writes it anew where the change is wanted"
    assert manifest_schema() == json.loads(SNAPSHOT.read_text()), message


def objects_of(schema: Any) -> list[dict[str, Any]]:
    """Return every object schema inside `schema`."""
    if isinstance(schema, list):
        return [item for part in schema for item in objects_of(part)]
    if not isinstance(schema, dict):
        return []
    inner = [item for part in schema.values() for item in objects_of(part)]
    return [schema, *inner] if "properties" in schema else inner


def test_the_json_schema_is_closed_and_resolves() -> None:
    schema = manifest_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"] == ["batch_id", "uploader", "intent", "metadata"]
    assert len(objects_of(schema)) == 7
    for item in objects_of(schema):
        assert item["type"] == "object"
        assert item["additionalProperties"] is False
    references = {part.split('"')[0] for part in json.dumps(schema).split('"#/$defs/')[1:]}
    assert references == set(schema["$defs"])
    assert set(schema["properties"]) == set(Manifest.model_fields)
