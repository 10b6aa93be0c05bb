"""Writers that the odd files share: plain ones of each format, to be made odd afterwards.

What belongs here: files that are sound. What does not: what is odd about them (the modules beside).
"""

import json
import sqlite3
import struct
import subprocess
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

WGS84_PRJ = (
    'GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
)
SHAPE_HEADER = ">7i2i8d"
FILE_CODE, VERSION, POINT = 9994, 1000, 1


def ogr2ogr(target: Path, *args: str | Path, driver: str | None = None) -> Path:
    """Run Debian's ogr2ogr and return the file it made."""
    chosen = ["-f", driver] if driver else []
    subprocess.run(
        ["ogr2ogr", *chosen, str(target), *map(str, args)], check=True, capture_output=True
    )
    return target


def from_wkt(
    target: Path,
    *shapes: str,
    crs: str | None = "EPSG:4326",
    driver: str | None = None,
    options: Sequence[str] = (),
) -> Path:
    """Write one row a WKT, numbered from 1 in the column `n`; an empty text is no geometry."""
    table = target.with_name(f"{target.name}.source.csv")
    table.write_text("n,wkt\n" + "".join(f'{n},"{wkt}"\n' for n, wkt in enumerate(shapes, 1)))
    reference = ["-a_srs", crs] if crs else []
    ogr2ogr(
        target, *reference, "-nln", target.stem, "-oo", "GEOM_POSSIBLE_NAMES=wkt", "-oo",
        "KEEP_GEOM_COLUMNS=NO", "-oo", "AUTODETECT_TYPE=YES", *options, table, driver=driver,
    )  # fmt: skip
    table.unlink()
    return target


def feature(properties: Mapping[str, Any], geometry: Any, **members: Any) -> dict[str, Any]:
    """Return a GeoJSON feature."""
    return {"type": "Feature", **members, "properties": properties, "geometry": geometry}


def points(count: int = 3, **columns: Sequence[Any]) -> list[dict[str, Any]]:
    """Return features at (1, 50), (2, 50), …; each column gives a value a feature."""
    return [
        feature(
            {"n": n, **{name: values[n] for name, values in columns.items()}},
            {"type": "Point", "coordinates": [n + 1, 50]},
        )
        for n in range(count)
    ]


def geojson(target: Path, features: Sequence[Any], **members: Any) -> Path:
    """Write a FeatureCollection."""
    document = {"type": "FeatureCollection", **members, "features": list(features)}
    target.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return target


def sample(target: Path, *options: str, driver: str | None = None, count: int = 3) -> Path:
    """Write points with a number and a name in the format that the suffix says."""
    source = geojson(
        target.with_name(f"{target.stem}.source.geojson"),
        points(count, name=[f"point {n}" for n in range(count)]),
    )
    ogr2ogr(target, "-nln", target.stem, *options, source, driver=driver)
    source.unlink()
    return target


def shapefile(
    folder: Path,
    stem: str,
    names: Sequence[bytes],
    *,
    language: int = 0,
    cpg: str | None = None,
    prj: str | None = WGS84_PRJ,
    field: bytes = b"NAME",
) -> list[Path]:
    """Write points with one text column, byte by byte; `language` is the DBF's language byte."""
    made = [folder / f"{stem}.shp", folder / f"{stem}.shx", folder / f"{stem}.dbf"]
    records, index = b"", b""
    for number in range(len(names)):
        content = struct.pack("<i2d", POINT, number + 1.0, 50.0)
        offset = (100 + len(records)) // 2
        index += struct.pack(">2i", offset, len(content) // 2)
        records += struct.pack(">2i", number + 1, len(content) // 2) + content
    for path, body in ((made[0], records), (made[1], index)):
        path.write_bytes(_shape_header(len(body), len(names)) + body)
    made[2].write_bytes(dbf(names, language=language, field=field))
    for suffix, text in ((".prj", prj), (".cpg", cpg)):
        if text is not None:
            made.append(folder / f"{stem}{suffix}")
            made[-1].write_text(text)
    return made


def _shape_header(body_bytes: int, count: int) -> bytes:
    size = struct.pack(">7i", FILE_CODE, 0, 0, 0, 0, 0, (100 + body_bytes) // 2)
    extent = (1.0, 50.0, float(count), 50.0, 0.0, 0.0, 0.0, 0.0)
    return size + struct.pack("<2i8d", VERSION, POINT, *extent)


def dbf(values: Sequence[bytes], *, language: int = 0, field: bytes = b"NAME") -> bytes:
    """Return a dBASE III table with one text column."""
    width = max(16, *(len(value) for value in values))
    return dbf_table([(field, b"C", width, 0)], [(value,) for value in values], language=language)


def dbf_table(
    fields: Sequence[tuple[bytes, bytes, int, int]],
    rows: Sequence[Sequence[bytes]],
    *,
    language: int = 0,
    deleted: Sequence[int] = (),
) -> bytes:
    """Return a dBASE III table; fields are (name, type, width, decimals), cells are bytes."""
    header_bytes = 32 + 32 * len(fields) + 1
    row_bytes = 1 + sum(width for _, _, width, _ in fields)
    head = struct.pack("<4BIHH16xBB2x", 3, 126, 1, 1, len(rows), header_bytes, row_bytes, 0, 0)
    head = head[:29] + bytes([language]) + head[30:]
    for name, kind, width, decimals in fields:
        head += struct.pack("<11s1s4xBB14x", name, kind, width, decimals)
    body = b""
    for number, row in enumerate(rows):
        cells = (cell.ljust(f[2])[: f[2]] for cell, f in zip(row, fields, strict=True))
        body += (b"*" if number in deleted else b" ") + b"".join(cells)
    return head + b"\r" + body + b"\x1a"


def edit_database(path: Path, *statements: str) -> Path:
    """Run SQL on a GeoPackage or another SQLite database, without its triggers."""
    with sqlite3.connect(path) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            database.execute(f'DROP TRIGGER "{name}"')
        for statement in statements:
            database.execute(statement)
    database.close()
    return path


def zipped(target: Path, members: Mapping[str, bytes | Path]) -> Path:
    """Write a zip archive of the members, in their order."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            data = content.read_bytes() if isinstance(content, Path) else content
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return target


def shapefile_members(folder: Path, stem: str, prefix: str = "") -> dict[str, bytes]:
    """Return the parts of a shapefile as members of an archive."""
    parts = shapefile(folder, stem, [b"one", b"two"])
    members = {f"{prefix}{part.name}": part.read_bytes() for part in parts}
    for part in parts:
        part.unlink()
    return members
