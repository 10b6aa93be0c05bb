"""What GDAL does not read of KML is counted and named."""

from pathlib import Path

import pytest

from libs.spatial_utils.kml_losses import left_out

POINT = "<Point><coordinates>1,2</coordinates></Point>"
LOSSES = [
    (f'<Placemark id="a">{POINT}</Placemark><Placemark id="b"/>', "id of Placemark (2: a, b)"),
    (f"<Placemark><pop>5</pop>{POINT}</Placemark>", "pop of Placemark (1)"),
    ("<NetworkLink><Link><href>x</href></Link></NetworkLink>", "NetworkLink of Document (1)"),
    ("<Folder><description>d</description></Folder>", "description of Folder (1)"),
    (
        "<Placemark><gx:Track><when>2020</when><when>2021</when><gx:coord>1 2 3</gx:coord>"
        "</gx:Track></Placemark>",
        "when of gx:Track (2)",
    ),
    (
        '<Placemark><ExtendedData><SchemaData/><Data name="free"/></ExtendedData></Placemark>',
        "Data beside SchemaData (1: free)",
    ),
    (
        "<Placemark><TimeSpan><begin>2020</begin><end>2021-02-03</end></TimeSpan></Placemark>",
        "time that is no full date (1: 2020)",
    ),
    (
        '<Placemark><ExtendedData><SchemaData schemaUrl="#gone"><SimpleData name="pop">5'
        '</SimpleData><SimpleData name="KNOWN">6</SimpleData></SchemaData></ExtendedData>'
        "</Placemark>",
        "SimpleData of no known Schema (1: pop)",
    ),
    ("<kml:Placemark><kml:name>n</kml:name><kml:address/></kml:Placemark>", "address of"),
]
FIELDS = ("Name", "known")
KEPT = (
    "<Folder><name>f</name><Placemark><name>n</name><TimeStamp><when>2020-01-01T00:00:00Z</when>"
    f'</TimeStamp><ExtendedData><Data name="a"><value>1</value></Data></ExtendedData>{POINT}'
    "</Placemark></Folder>"
)


def document(tmp_path: Path, content: str) -> str:
    """Write a document and return its path."""
    path = tmp_path / "d.kml"
    path.write_text(
        '<kml xmlns="http://www.opengis.net/kml/2.2" xmlns:kml="http://www.opengis.net/kml/2.2" '
        f'xmlns:gx="http://www.google.com/kml/ext/2.2"><Document>{content}</Document></kml>'
    )
    return str(path)


@pytest.mark.parametrize(("content", "said"), LOSSES)
def test_a_loss_is_named_with_its_count(tmp_path: Path, content: str, said: str) -> None:
    (warning,) = left_out(document(tmp_path, content), FIELDS)

    assert warning.code == "source.elements_left_out"
    assert said in warning.message


def test_nothing_is_said_of_what_gdal_reads(tmp_path: Path) -> None:
    assert left_out(document(tmp_path, KEPT), FIELDS) == []
