"""Sources: archives opened, shapefile sets put together, layers found."""

import io
import zipfile
from dataclasses import replace
from typing import Any

import pytest

from libs.ledger.records import Delivery
from libs.models.errors import SourceError
from libs.models.version import Warn
from libs.pipeline.kinds.sources import FoundLayer, find_layers
from libs.pipeline.state import Fetched, FetchedFile, Intake
from libs.pipeline.workbench import Workbench
from libs.spatial_utils.layers import Problem, SourceDescription
from tests.unit.examples import BUCKET, NOON, layer, manifest
from tests.unit.fakes import FakeGdal


def described(*layers: str, driver: str = "GPKG", problems: tuple[str, ...] = ()) -> Any:
    return SourceDescription(
        driver=driver,
        layers=tuple(layer(name) for name in layers),
        problems=tuple(Problem(is_error=False, number=1, message=text) for text in problems),
    )


SHAPEFILE = described("roads", driver="ESRI Shapefile")


def packed(*names: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return target.getvalue()


class Drop:
    """Fetched files and the descriptions that GDAL gives of them."""

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench
        self.gdal = FakeGdal({})

    def find(
        self, files: dict[str, bytes], descriptions: dict[str, SourceDescription], **fields: Any
    ) -> tuple[list[FoundLayer], list[Warn]]:
        self.gdal = FakeGdal(descriptions)
        request = manifest(
            files=[{"path": f"s3://{BUCKET}/{key}", "type": "vector", **fields} for key in files]
        )
        fetched = []
        for number, file in enumerate(request.files):
            folder = self.bench.subfolder(f"files/{number}")
            path = folder / file.name
            path.write_bytes(files[file.key])
            fetched.append(FetchedFile(file, path, "a" * 64, len(files[file.key])))
        delivery = Delivery(key="manifests/a.json", etag="m1", received_at=NOON)
        intake = Intake("d1", 1, "run1", request, "transport/roads", (), delivery, ())
        bench = replace(self.bench, clients=replace(self.bench.clients, gdal=self.gdal))
        return find_layers(bench, Fetched(intake, tuple(fetched), "c" * 64, None))

    def refusal(self, *args: Any, **fields: Any) -> SourceError:
        with pytest.raises(SourceError) as caught:
            self.find(*args, **fields)
        return caught.value


@pytest.fixture
def drop(bench: Workbench) -> Drop:
    return Drop(bench)


def names(layers: list[FoundLayer]) -> list[tuple[str, str, bool]]:
    return [(item.candidate.path.name, item.layer.name, item.is_only) for item in layers]


def test_layers_come_in_the_manifests_order(drop: Drop) -> None:
    layers, warnings = drop.find(
        {"b.gpkg": b"", "a.gpkg": b""},
        {"a.gpkg": described("x"), "b.gpkg": described("y", "z")},
    )
    assert names(layers) == [("b.gpkg", "y", False), ("b.gpkg", "z", False), ("a.gpkg", "x", True)]
    assert warnings == []


def test_a_file_is_opened_by_the_driver_of_its_name_only(drop: Drop) -> None:
    drop.find({"a.geojson": b""}, {"a.geojson": described("a", driver="GeoJSON")})
    assert drop.gdal.asked == [("a.geojson", ("GeoJSON",), None)]


def test_a_file_whose_name_tells_nothing_is_tried_with_every_allowed_driver(drop: Drop) -> None:
    layers, _ = drop.find({"roads": b""}, {"roads": described("a")})
    assert len(drop.gdal.asked[0][1]) > 3
    assert layers[0].driver == "GPKG"


@pytest.mark.parametrize(
    ("keys", "on_disk"),
    [
        (["up/roads.shp", "up/roads.shx", "up/roads.dbf"], "roads.shp"),
        (["up/roads.dbf", "up/roads.prj", "up/roads.shp", "up/roads.shx"], "roads.shp"),
        (["up/ROADS.SHP", "up/ROADS.SHX", "up/ROADS.DBF", "up/ROADS.SHP.XML"], "ROADS.SHP"),
        (["up/v1.roads.shp", "up/v1.roads.SHX", "up/v1.roads.Dbf"], "v1.roads.shp"),
    ],
    ids=["in order", "out of order", "upper case", "dots and mixed case"],
)
def test_the_parts_of_a_loose_shapefile_are_one_source(
    drop: Drop, keys: list[str], on_disk: str
) -> None:
    layers, _ = drop.find({key: key.encode() for key in keys}, {on_disk: SHAPEFILE})
    assert names(layers) == [(on_disk, "roads", True)]
    path = layers[0].candidate.path
    beside = {part.name: part.read_bytes().decode().lower() for part in path.parent.iterdir()}
    assert len(beside) == len(keys)
    for name, content in beside.items():
        assert content == f"up/{name.lower()}"


def test_parts_of_one_name_in_other_folders_stay_apart(drop: Drop) -> None:
    keys = [f"{folder}/roads{suffix}" for folder in "ab" for suffix in (".shp", ".shx", ".dbf")]
    layers, _ = drop.find({key: key.encode() for key in keys}, {"roads.shp": SHAPEFILE})
    assert [item.candidate.label for item in layers] == [
        f"s3://{BUCKET}/a/roads.shp",
        f"s3://{BUCKET}/b/roads.shp",
    ]
    tables = [item.candidate.path.with_suffix(".dbf").read_bytes() for item in layers]
    assert tables == [b"a/roads.dbf", b"b/roads.dbf"]


def test_a_table_without_its_shapefile_is_a_source_of_its_own(drop: Drop) -> None:
    layers, _ = drop.find({"codes.dbf": b""}, {"codes.dbf": SHAPEFILE})
    assert names(layers) == [("codes.dbf", "roads", True)]


@pytest.mark.parametrize(
    ("keys", "missing"),
    [
        (["roads.shp"], "roads.shx, roads.dbf"),
        (["roads.shp", "roads.shx"], "roads.dbf"),
        (["roads.shp", "roads.dbf", "roads.prj"], "roads.shx"),
        (["roads.shp", "other.shx", "other.dbf"], "roads.shx, roads.dbf"),
    ],
)
def test_an_incomplete_shapefile_names_what_is_missing(
    drop: Drop, keys: list[str], missing: str
) -> None:
    error = drop.refusal(dict.fromkeys(keys, b""), {})
    assert error.reason.code == "source.incomplete_shapefile"
    assert f"expected {missing} beside the .shp" in error.reason.message
    assert error.reason.file == f"s3://{BUCKET}/roads.shp"


def test_an_archive_holds_several_datasets(drop: Drop) -> None:
    content = packed(
        "sub/roads.shp", "sub/roads.shx", "sub/roads.dbf", "sub/roads.prj", "readme.txt",
        "__MACOSX/sub/._roads.shp", "b.gpkg",
    )  # fmt: skip
    layers, _ = drop.find(
        {"up/all.zip": content}, {"roads.shp": SHAPEFILE, "b.gpkg": described("x", "y")}
    )
    assert names(layers) == [
        ("roads.shp", "roads", False),
        ("b.gpkg", "x", False),
        ("b.gpkg", "y", False),
    ]
    assert layers[0].candidate.label == f"s3://{BUCKET}/up/all.zip!/sub/roads.shp"


def test_an_archive_is_known_by_its_content(drop: Drop) -> None:
    layers, _ = drop.find({"roads.gpkg": packed("x.gpkg")}, {"x.gpkg": described("x")})
    assert names(layers) == [("x.gpkg", "x", True)]


def test_two_archives_with_the_same_members_stay_apart(drop: Drop) -> None:
    layers, _ = drop.find(
        {"a.zip": packed("x.gpkg"), "b.zip": packed("x.gpkg")}, {"x.gpkg": described("x")}
    )
    assert len({item.candidate.path for item in layers}) == 2


def test_an_incomplete_shapefile_in_an_archive_is_named_by_its_member(drop: Drop) -> None:
    error = drop.refusal({"a.zip": packed("sub/roads.shp", "roads.shx", "roads.dbf")}, {})
    assert error.reason.code == "source.incomplete_shapefile"
    assert error.reason.file == f"s3://{BUCKET}/a.zip!/sub/roads.shp"


@pytest.mark.parametrize(
    ("members", "shown"),
    [((), "no file"), (("a.txt", "b.pdf"), "a.txt, b.pdf"), (("roads.dbf",), "roads.dbf")],
)
def test_an_archive_without_data_names_what_it_holds(
    drop: Drop, members: tuple[str, ...], shown: str
) -> None:
    error = drop.refusal({"a.zip": packed(*members)}, {})
    assert error.reason.code == "source.unknown_format"
    assert f"an archive with {shown}" in error.reason.message


def test_an_archive_larger_than_allowed_is_refused(drop: Drop) -> None:
    settings = drop.bench.clients.settings.model_copy(update={"max_unpacked_bytes": 3})
    drop.bench = replace(drop.bench, clients=replace(drop.bench.clients, settings=settings))
    error = drop.refusal({"a.zip": packed("roads.gpkg")}, {})
    assert error.reason.code == "source.archive_too_large"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [("b", ["b"]), (["c", "a"], ["a", "c"]), (None, ["a", "b", "c"])],
)
def test_the_layers_asked_for_are_taken(drop: Drop, wanted: Any, expected: list[str]) -> None:
    layers, _ = drop.find({"x.gpkg": b""}, {"x.gpkg": described("a", "b", "c")}, layer=wanted)
    assert [item.layer.name for item in layers] == expected
    assert not any(item.is_only for item in layers)


def test_a_missing_layer_names_those_that_are_there(drop: Drop) -> None:
    error = drop.refusal({"x.gpkg": b""}, {"x.gpkg": described("a", "b")}, layer=["a", "z"])
    assert error.reason.code == "source.no_such_layer"
    assert "expected layer 'z', found a, b" in error.reason.message
    assert error.reason.layer == "z"


def test_a_file_without_a_layer_is_refused(drop: Drop) -> None:
    error = drop.refusal({"x.gpkg": b""}, {"x.gpkg": described()})
    assert error.reason.code == "source.no_layers"


def test_what_gdal_warns_of_is_said_once(drop: Drop) -> None:
    _, warnings = drop.find(
        {"x.gpkg": b""}, {"x.gpkg": described("a", problems=("odd", "odd", "very odd"))}
    )
    assert [(item.code, item.message) for item in warnings] == [
        ("source.gdal_warning", "odd"),
        ("source.gdal_warning", "very odd"),
    ]


@pytest.mark.parametrize(("key", "expected"), [("x.gpkg", None), ("x.shp", "CP1252")])
def test_an_encoding_goes_to_shapefiles_only(drop: Drop, key: str, expected: str | None) -> None:
    files = {key: b""} if key.endswith("gpkg") else dict.fromkeys(("x.shp", "x.shx", "x.dbf"), b"")
    drop.find(files, {key: described("a")}, encoding="CP1252")
    assert drop.gdal.asked[0][2] == expected
