"""Extensions of a GPX file as they stand, and values that are none of their element's type."""

from pathlib import Path

import pytest

from libs.models.errors import SourceError
from libs.spatial_utils.gpx_values import stored_layer
from libs.spatial_utils.stored_values import StoredLayer

GPX = """<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1" xmlns:x="urn:x">
<wpt lat="1" lon="2"><ele>12.5</ele><time>2020-01-01T00:00:00Z</time>{first}</wpt>
<wpt lat="1" lon="2"/>
<trk><trkseg><trkpt lat="1" lon="2"><ele>no height</ele></trkpt></trkseg></trk>
</gpx>"""
FIELDS = [
    {"name": "ele", "type": "Real"}, {"name": "time", "type": "DateTime"},
    {"name": "name", "type": "String"}, {"name": "x_code", "type": "Integer"},
]  # fmt: skip


def of_waypoints(tmp_path: Path, first: str) -> StoredLayer:
    """Return what is stored of two waypoints, `first` in one of them."""
    path = tmp_path / "d.gpx"
    path.write_text(GPX.format(first=first))
    return stored_layer(str(path), "waypoints", FIELDS)


def test_what_gdal_reads_well_is_left_to_it(tmp_path: Path) -> None:
    assert of_waypoints(tmp_path, "<name>12</name>") == StoredLayer()


@pytest.mark.parametrize(
    ("extension", "kept"),
    [
        ("<x:code>01001</x:code>", "01001"),
        ("<x:code>1</x:code><x:code>2 &amp; 3</x:code>", "1\n2 & 3"),
        ("<x:code><x:hr>1 &lt; 2</x:hr></x:code>", "<x:hr>1 &lt; 2</x:hr>"),
        ('<x:code unit="m">5</x:code>', '<x:code unit="m">5</x:code>'),
    ],
)
def test_an_extension_is_read_as_it_stands(tmp_path: Path, extension: str, kept: str) -> None:
    found = of_waypoints(tmp_path, f"<extensions>{extension}</extensions>")

    assert list(found.columns) == [3]
    assert found.columns[3].rows(0, 2).to_pylist() == [kept, None]
    assert not found.warnings


@pytest.mark.parametrize(
    ("element", "position", "kept"),
    [
        ("<ele>abc</ele>", 0, "12.5\nabc"),
        ("<time>yesterday</time>", 1, "2020-01-01T00:00:00Z\nyesterday"),
    ],
)
def test_a_value_of_another_type_makes_its_column_text(
    tmp_path: Path, element: str, position: int, kept: str
) -> None:
    found = of_waypoints(tmp_path, element)

    assert found.columns[position].rows(0, 2).to_pylist() == [kept, None]
    (warning,) = found.warnings
    assert (warning.code, warning.layer) == ("column.other_type", "waypoints")


@pytest.mark.parametrize(
    ("time", "is_read_well"),
    [
        ("2020-01-01T00:00:00", True),
        ("2020-01-01T00:00:00.25+05:30", True),
        ("2020-01-01T00:00:00+0100", False),
        ("2020-01-01T00:00:00+01", False),
        ("2020-01-01T00:00:00+05:50", False),
        ("2020-01-01T00:00Z", False),
    ],
)
def test_a_time_whose_offset_gdal_forgets_is_kept_as_text(
    tmp_path: Path, time: str, is_read_well: bool
) -> None:
    path = tmp_path / "d.gpx"
    path.write_text(GPX.format(first="").replace("2020-01-01T00:00:00Z", time))

    assert (stored_layer(str(path), "waypoints", FIELDS) == StoredLayer()) is is_read_well


def test_elements_without_a_column_are_told_of(tmp_path: Path) -> None:
    links = "".join(f'<link href="http://x/{n}"/>' for n in range(3))

    (warning,) = of_waypoints(tmp_path, f"<speed>3</speed>{links}").warnings

    assert warning.code == "source.elements_left_out"
    assert "speed (1), further link (1)" in warning.message


def test_a_document_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"source\.unreadable.*well-formed XML"):
        of_waypoints(tmp_path, "<name>")
