"""CSV with geometries as PostGIS writes them: hex digits of WKB, EWKT, their SRIDs."""

from pathlib import Path

import pytest
import shapely

from libs.models.errors import SourceError
from libs.tabular.geocsv_reader import GeoCsvReader
from libs.tabular.reader import ReadOrder

SHAPE = shapely.from_wkt("POINT ZM (1 2 3 4)")
ISO = shapely.to_wkb(SHAPE, flavor="iso")
EWKB = shapely.to_wkb(shapely.set_srid(SHAPE, 25832), hex=True, include_srid=True)


def parse(text: str) -> bytes | None:
    """Stand in for GDAL, which children have."""
    try:
        return shapely.to_wkb(shapely.from_wkt(text), flavor="iso")
    except shapely.errors.GEOSException:
        return None


def read(path: Path, *texts: str) -> GeoCsvReader:
    path.write_text("\n".join(["id,geom", *(f'{n},"{text}"' for n, text in enumerate(texts))]))
    return GeoCsvReader(ReadOrder(path, "s3://landing-zone/t.csv", "t"), parse_wkt=parse)


@pytest.mark.parametrize(
    ("text", "srid"),
    [
        (ISO.hex(), None),
        (EWKB, 25832),
        ("\\x" + EWKB.lower(), 25832),
        ("SRID=25832;POINT ZM (1 2 3 4)", 25832),
        ("SRID=0;POINT ZM (1 2 3 4)", None),
    ],
    ids=["WKB", "EWKB", "as bytea", "EWKT", "EWKT without CRS"],
)
def test_what_postgis_writes_is_a_geometry(tmp_path: Path, text: str, srid: int | None) -> None:
    source = read(tmp_path / "t.csv", text, "")
    (batch,) = source.batches(["text"])
    assert batch.column(1).to_pylist() == [ISO, None]
    assert source.geometry_name == "geom"
    assert source.srids == {srid}
    assert source.warnings() == []


def test_each_srid_is_found(tmp_path: Path) -> None:
    source = read(tmp_path / "t.csv", EWKB, "SRID=4326;POINT (1 2)", "POINT (1 2)")
    assert len(list(source.batches(["text"]))) == 1
    assert source.srids == {25832, 4326, None}


def test_wkb_that_ends_too_early_is_refused_with_its_row(tmp_path: Path) -> None:
    source = read(tmp_path / "t.csv", EWKB, EWKB[:-2])
    assert len(list(source.batches(["text"]))) == 1
    with pytest.raises(SourceError, match="1 row") as caught:
        source.warnings()
    assert caught.value.reason.row == 2
