"""Features of GML with more geometries than GDAL keeps, and answers that a service cut short."""

from pathlib import Path

import pytest

from libs.models.errors import SourceError
from libs.spatial_utils.gml_features import look_at_features

POINT = "<g:Point><g:pos>1 2</g:pos></g:Point>"
AREA = "<g:MultiSurface><g:surfaceMember><g:Polygon/></g:surfaceMember></g:MultiSurface>"
BOX = "<g:boundedBy><g:Envelope><g:lowerCorner>1 2</g:lowerCorner></g:Envelope></g:boundedBy>"


def written(folder: Path, *features: str, root: str = "") -> str:
    path = folder / "a.gml"
    members = "".join(f"<w:member><a:parcel>{item}</a:parcel></w:member>" for item in features)
    path.write_text(
        '<w:FeatureCollection xmlns:w="http://www.opengis.net/wfs/2.0" xmlns:a="urn:a" '
        f'xmlns:g="http://www.opengis.net/gml/3.2" {root}>{members}</w:FeatureCollection>'
    )
    return str(path)


def test_a_second_geometry_of_a_feature_is_refused(tmp_path: Path) -> None:
    one = f"{BOX}<a:geometry>{AREA}</a:geometry>"
    two = f"{one}<a:part><a:referencePoint>{POINT}</a:referencePoint></a:part>"
    with pytest.raises(SourceError, match="geometry and referencePoint") as caught:
        look_at_features(written(tmp_path, one, two))
    reason = caught.value.reason
    assert (reason.code, reason.row, reason.layer) == (
        "source.several_geometry_columns", 2, "parcel",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("root", "codes"),
    [
        ('numberMatched="9" numberReturned="1"', ["source.incomplete"]),
        ('numberMatched="1" numberReturned="1"', []),
        ('numberMatched="unknown" numberReturned="1"', []),
    ],
)
def test_features_that_a_service_kept_back_are_told_of(
    tmp_path: Path, root: str, codes: list[str]
) -> None:
    path = written(tmp_path, f"<a:geometry>{AREA}</a:geometry>", root=root)
    assert [warning.code for warning in look_at_features(path)] == codes


def test_of_broken_xml_gdal_tells(tmp_path: Path) -> None:
    path = tmp_path / "a.gml"
    path.write_text("<a><b>")
    assert look_at_features(str(path)) == []
