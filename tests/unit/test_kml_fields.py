"""Fields of a KML whose values GDAL would change are declared as text."""

from pathlib import Path

import pytest

from libs.spatial_utils.kml_fields import declare_texts

SCHEMA = '<Schema id="s"><SimpleField name="{name}" type="{type}"/><SimpleField {other}/></Schema>'
OTHER = "type='double' name='o>'"


def document(folder: Path, kind: str, value: str) -> Path:
    """Write a KML with two fields, the first with a value of ours; the schema stands behind."""
    path = folder / "d.kml"
    data = f'<SimpleData name="v">{value}</SimpleData><SimpleData name="o&gt;">1.5</SimpleData>'
    schema = SCHEMA.format(name="v", type=kind, other=OTHER)
    path.write_text(
        '<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark><ExtendedData>'
        f'<SchemaData schemaUrl="#s">{data}</SchemaData></ExtendedData></Placemark>'
        f"{schema}</Document></kml>"
    )
    return path


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bool", "true"),
        ("int", "3000000000"),
        ("int", "1.5"),
        ("double", "12,5"),
        ("double", ""),
        ("uint", "abc"),
    ],
)
def test_a_field_with_a_value_that_gdal_would_change_becomes_text(
    tmp_path: Path, kind: str, value: str
) -> None:
    path = document(tmp_path, kind, value)
    before = path.read_text()

    (warning,) = declare_texts(str(path))

    assert path.read_text() == before.replace(f'type="{kind}"', 'type="string"')
    assert warning.code == "column.other_type"
    assert f"'v' is declared as {kind}" in warning.message
    assert f"1 of its values ({value!r})" in warning.message


@pytest.mark.parametrize(
    ("kind", "value"),
    [("bool", "1"), ("int", "-5"), ("double", " 1.5e3\n"), ("uint", "4000000000"), ("string", "x")],
)
def test_fields_that_gdal_reads_as_they_stand_are_left_alone(
    tmp_path: Path, kind: str, value: str
) -> None:
    path = document(tmp_path, kind, value)
    before = path.read_bytes()

    assert declare_texts(str(path)) == []
    assert path.read_bytes() == before


def test_of_two_fields_the_one_that_fits_keeps_its_type(tmp_path: Path) -> None:
    path = document(tmp_path, "bool", "yes")

    declare_texts(str(path))

    assert OTHER in path.read_text()


def test_the_file_that_was_dropped_is_not_changed(tmp_path: Path) -> None:
    path = document(tmp_path, "bool", "true")
    linked = tmp_path / "linked.kml"
    linked.hardlink_to(path)

    declare_texts(str(linked))

    assert 'type="bool"' in path.read_text()
    assert 'type="bool"' not in linked.read_text()
