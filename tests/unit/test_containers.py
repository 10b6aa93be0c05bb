"""Archives: what is unpacked, where to, and what is refused."""

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from libs.models.errors import SourceError
from libs.spatial_utils.containers import unpacking
from libs.spatial_utils.containers.names import decode_name, local_name, without_archive_suffix
from libs.spatial_utils.containers.unpacking import Unpacked, is_archive, unpack
from libs.spatial_utils.containers.zips import check_zip
from tests.unit.packing import (
    LABEL,
    MIB,
    TEXT,
    contents,
    pack,
    refusal,
    special,
    tarred,
    unpacked,
    write,
    zipped,
)

Members = tuple[tuple[str, bytes], ...]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["roads.shp", "roads.dbf"], ["roads.shp", "roads.dbf"]),
        (["a/b/roads.shp"], ["a/b/roads.shp"]),
        (["a\\b\\roads.shp"], ["a/b/roads.shp"]),
        (["./roads.shp"], ["roads.shp"]),
        (["/data//roads.shp"], ["data/roads.shp"]),
        (["C:\\data\\roads.shp"], ["C:/data/roads.shp"]),
        (["Ä b/ROADS.SHP"], ["Ä b/ROADS.SHP"]),
        (["a/", "a/x"], ["a/x"]),
        (["a\\", "a\\x"], ["a/x"]),
        (["", ".", "a"], ["a"]),
        (["__MACOSX/._roads.shp", "roads.shp"], ["roads.shp"]),
        (["a/__MACOSX/x", "a/._x", ".DS_Store", "a/Thumbs.db", "DESKTOP.INI", "a/x"], ["a/x"]),
        (["a..b/..c"], ["a..b/..c"]),
        (["a", "a/b"], ["a", "a/b"]),
        (["a\nb/c\x1b[31m"], ["a_b/c_[31m"]),
        ([], []),
    ],
)
def test_members_are_unpacked_under_their_names(
    names: list[str], expected: list[str], folder: Path, tmp_path: Path
) -> None:
    archive = pack(tmp_path / "x.zip", *((name, name.encode()) for name in names))
    found = contents(archive, folder)
    assert list(found) == expected
    assert all(content.decode() in names for content in found.values())


@pytest.mark.parametrize(
    "pack_as",
    [
        tarred,
        lambda *members: gzip.compress(tarred(*members)),
        lambda *members: bz2.compress(tarred(*members)),
        lambda *members: lzma.compress(tarred(*members)),
        lambda *members: zipped(*members, method=zipfile.ZIP_BZIP2),
        lambda *members: zipped(*members, method=zipfile.ZIP_LZMA),
        lambda *members: zipped(*members, method=zipfile.ZIP_STORED),
    ],
    ids=["tar", "tar.gz", "tar.bz2", "tar.xz", "zip bzip2", "zip lzma", "zip stored"],
)
def test_every_packing_gives_the_same_members(pack_as: Any, folder: Path, tmp_path: Path) -> None:
    members: Members = (("a/roads.shp", TEXT), ("._a", b"junk"), ("Straße.dbf", b""))
    found = contents(write(tmp_path, pack_as(*members)), folder)
    assert found == {"a/roads.shp": TEXT, "Straße.dbf": b""}


@pytest.mark.parametrize(
    ("compress", "name"),
    [
        (gzip.compress, "a.geojson.gz"),
        (bz2.compress, "a.geojson.BZ2"),
        (lzma.compress, "a.geojson.xz"),
        (gzip.compress, "a.geojson"),
    ],
)
def test_a_compressed_file_is_a_member_called_as_it_was(
    compress: Any, name: str, folder: Path, tmp_path: Path
) -> None:
    archive = write(tmp_path, compress(TEXT))
    assert contents(archive, folder, file=f"s3://b/up/{name}") == {"a.geojson": TEXT}


def test_gzip_streams_that_follow_each_other_are_one_file(folder: Path, tmp_path: Path) -> None:
    archive = write(tmp_path, gzip.compress(b"a") + gzip.compress(b"b"))
    assert contents(archive, folder, file="x.gz") == {"x": b"ab"}


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "..\\evil", "a\\..\\..\\evil", ".."])
@pytest.mark.parametrize("pack_as", [zipped, tarred])
def test_a_member_that_climbs_out_is_refused(
    pack_as: Any, name: str, folder: Path, tmp_path: Path
) -> None:
    error = refusal(write(tmp_path, pack_as((name, b"evil"))), folder)
    assert error.reason.code == "source.unsafe_archive"
    assert not list(folder.rglob("evil"))


@pytest.mark.parametrize("names", [("a", "a"), ("a/b", "a\\b"), ("a", "./a")], ids=" then ".join)
def test_two_members_of_one_name_are_refused_unless_they_are_the_same(
    names: tuple[str, str], folder: Path, tmp_path: Path
) -> None:
    same = pack(tmp_path / "same.zip", *((name, b"1") for name in names))
    (content,) = contents(same, folder).values()
    assert content == b"1"
    other = pack(tmp_path / "other.zip", (names[0], b"1"), (names[1], b"2"))
    error = refusal(other, folder.parent / "2nd", member=names[0])
    assert error.reason.code == "source.unsafe_archive"


def test_a_name_that_no_file_system_holds_is_shortened_on_disk_only(
    folder: Path, tmp_path: Path
) -> None:
    names = ["d" * 300 + "/" + "ä" * 300 + f"{n}.gdb.zip.shp" for n in range(2)]
    found = unpacked(pack(tmp_path / "x.zip", *((name, b"1") for name in names)), folder)
    assert [member.name for member in found.members] == names
    assert all(member.path.suffix == ".shp" for member in found.members)
    assert len(local_name("x" * 300)) <= 200
    assert local_name("x" * 300 + ".a") != local_name("x" * 301 + ".a")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Straße".encode(), ("Straße", False)),
        ("Straße".encode("cp437"), ("Straße", True)),
        (b"plain", ("plain", False)),
    ],
)
def test_an_unmarked_name_is_utf8_where_it_can_be(raw: bytes, expected: tuple[str, bool]) -> None:
    assert decode_name(raw, "cp437") == expected


def unmarked_zip(raw: bytes, extra: bytes = b"") -> bytes:
    """Return a zip whose only member has the name `raw` without the UTF-8 flag."""
    placeholder = b"x" * len(raw)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        info = zipfile.ZipInfo(placeholder.decode())
        info.extra = extra
        archive.writestr(info, b"1")
    return target.getvalue().replace(placeholder, raw)


@pytest.mark.parametrize(
    ("raw", "with_field", "expected", "is_guessed"),
    [
        ("Größe.shp".encode(), False, "Größe.shp", False),
        ("Größe.shp".encode("cp437"), False, "Größe.shp", True),
        ("Größe.shp".encode("cp1252"), True, "Größe.shp", False),
    ],
    ids=["utf-8 without its flag", "cp437", "unicode path field"],
)
def test_names_of_a_zip_are_decoded_or_said_to_be_guessed(
    raw: bytes, with_field: bool, expected: str, is_guessed: bool, folder: Path, tmp_path: Path
) -> None:
    field = b"\x01" + struct.pack("<L", zlib.crc32(raw)) + expected.encode()
    extra = struct.pack("<HH", 0x7075, len(field)) + field if with_field else b""
    found = unpacked(write(tmp_path, unmarked_zip(raw, extra)), folder)
    assert [member.name for member in found.members] == [expected]
    assert found.guessed_names == ((expected,) if is_guessed else ())


def test_names_of_a_tar_are_decoded_or_said_to_be_guessed(folder: Path, tmp_path: Path) -> None:
    target = io.BytesIO()
    with tarfile.open(
        fileobj=target, mode="w", format=tarfile.GNU_FORMAT, encoding="latin-1"
    ) as tar:
        tar.addfile(tarfile.TarInfo("Größe.shp"))
    found = unpacked(write(tmp_path, target.getvalue()), folder)
    assert [member.name for member in found.members] == ["Größe.shp"]
    assert found.guessed_names == ("Größe.shp",)


def test_an_encrypted_member_is_refused(folder: Path, tmp_path: Path) -> None:
    archive = pack(tmp_path / "x.zip", ("a", b"secret"))
    content = bytearray(archive.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    archive.write_bytes(content)
    assert refusal(archive, folder, member="a").reason.code == "source.encrypted_archive"


@pytest.mark.parametrize(("method", "shown"), [(9, "Deflate64"), (93, "Zstandard"), (77, "77")])
def test_a_compression_that_is_not_read_is_named(
    method: int, shown: str, folder: Path, tmp_path: Path
) -> None:
    archive = pack(tmp_path / "x.zip", ("a", b"1"))
    content = bytearray(archive.read_bytes())
    for signature, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(signature) + place] = method
    archive.write_bytes(content)
    error = refusal(archive, folder, member="a")
    assert error.reason.code == "source.unsupported_compression"
    assert shown in error.reason.message


@pytest.mark.parametrize(
    "content",
    [b"7z\xbc\xaf\x27\x1c\x00\x04", b"Rar!\x1a\x07\x01\x00", b"\x28\xb5\x2f\xfd\x00", b"\x1f\x9d"],
)
def test_an_archive_of_another_kind_is_refused(
    content: bytes, folder: Path, tmp_path: Path
) -> None:
    archive = write(tmp_path, content + bytes(600))
    assert is_archive(archive)
    assert refusal(archive, folder).reason.code == "source.unsupported_archive"


def test_links_and_devices_stay_packed_and_are_named(folder: Path, tmp_path: Path) -> None:
    link, device = zipfile.ZipInfo("sub/link"), zipfile.ZipInfo("device")
    link.external_attr, device.external_attr = 0o120777 << 16, 0o020666 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for info in (link, device):
            archive.writestr(info, "/etc/passwd")
    found = unpacked(tmp_path / "x.zip", folder)
    assert found == Unpacked((), ("sub/link", "device"), ())

    content = tarred(
        ("a", b"1"),
        (special("soft", tarfile.SYMTYPE, "/etc/passwd"), b""),
        (special("hard", tarfile.LNKTYPE, "./a"), b""),
        (special("stray", tarfile.LNKTYPE, "etc/passwd"), b""),
        (special("tty", tarfile.CHRTYPE), b""),
        (special("pipe", tarfile.FIFOTYPE), b""),
    )
    found = unpacked(write(tmp_path, content), folder.parent / "2nd")
    assert [(member.name, member.path.read_bytes()) for member in found.members] == [
        ("a", b"1"),
        ("hard", b"1"),
    ]
    assert found.left_packed == ("soft", "stray", "tty", "pipe")


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_link_before_the_file_it_hides_does_not_lead_it_outside(
    compress: Any, folder: Path, tmp_path: Path
) -> None:
    away = special("away", tarfile.SYMTYPE, str(tmp_path))
    archive = write(tmp_path, compress(tarred((away, b""), ("away/evil", b"1"))))
    assert contents(archive, folder) == {"away/evil": b"1"}


def test_an_archive_inside_an_archive_is_unpacked_one_level_deep(
    folder: Path, tmp_path: Path
) -> None:
    inner = zipped(("sub/roads.gpkg", b"1"))
    archive = pack(
        tmp_path / "x.zip",
        ("parts/a.zip", inner), ("b.geojson.gz", gzip.compress(b"2")),
        ("c.tgz", gzip.compress(tarred(("c.fgb", b"3")))), ("d.docx", inner),
    )  # fmt: skip
    assert contents(archive, folder) == {
        "parts/a.zip!/sub/roads.gpkg": b"1",
        "b.geojson.gz!/b.geojson": b"2",
        "c.tgz!/c.fgb": b"3",
        "d.docx": inner,
    }
    deeper = pack(tmp_path / "y.zip", ("2.zip", zipped(("3.zip", inner))))
    error = refusal(deeper, folder.parent / "2nd", member="2.zip!/3.zip")
    assert error.reason.code == "source.nested_archive"


def test_a_zip64_of_a_writer_that_does_not_know_sizes_is_read(folder: Path, tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        content = b""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.content += bytes(data)
            return len(data)

    pipe = Pipe()
    with (
        zipfile.ZipFile(pipe, "w") as target,  # type: ignore[arg-type]
        target.open("a", "w", force_zip64=True) as member,
    ):
        member.write(TEXT)
    assert contents(write(tmp_path, pipe.content), folder) == {"a": TEXT}


@pytest.mark.parametrize(
    "content",
    [zipped(("a/roads.shp", TEXT), ("b", b"2")), gzip.compress(tarred(("a", TEXT), ("b", b"2"))),
     tarred(("a" * 150, TEXT), ("b", b"2")), lzma.compress(tarred(("a", TEXT)))],
    ids=["zip", "tar.gz", "tar", "tar.xz"],
)  # fmt: skip
def test_a_damaged_archive_is_read_or_refused_and_nothing_else(
    content: bytes, folder: Path, tmp_path: Path
) -> None:
    chance = random.Random(7)
    for number in range(60):
        damaged = bytearray(content)
        for _ in range(chance.choice((1, 1, 4))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        archive = write(tmp_path, bytes(damaged))
        target = folder / str(number)
        target.mkdir()
        with suppress(SourceError):
            unpacked(archive, target)


def test_what_is_an_archive_is_told_by_its_content(tmp_path: Path) -> None:
    assert is_archive(pack(tmp_path / "roads.gpkg", ("a", b"1")))
    assert is_archive(write(tmp_path, tarred(), "empty.tar"))
    assert not is_archive(write(tmp_path, b"SQLite format 3\x00", "other.zip"))
    assert not is_archive(write(tmp_path, bytes(1024), "zeros.bin"))
    assert not is_archive(write(tmp_path, b"", "nothing.tar"))


def test_a_database_that_holds_a_zip_at_its_end_is_no_archive(tmp_path: Path) -> None:
    database = b"SQLite format 3\x00" + bytes(5000) + zipped(("a", b"1")) + bytes(500)
    assert not is_archive(write(tmp_path, database, "roads.gpkg"))


def test_an_empty_archive_has_no_members(folder: Path, tmp_path: Path) -> None:
    for number, content in enumerate((zipped(), tarred())):
        target = folder / str(number)
        target.mkdir()
        assert contents(write(tmp_path, content, "empty.tar"), target) == {}


def test_an_archive_that_stays_packed_is_held_to_the_same_limits(tmp_path: Path) -> None:
    archive = pack(tmp_path / "x.xlsx", ("a", bytes(5000)))
    check_zip(archive, max_bytes=5000, file=LABEL)
    with pytest.raises(SourceError) as caught:
        check_zip(archive, max_bytes=4999, file=LABEL)
    assert caught.value.reason.code == "source.archive_too_large"


def test_a_full_disk_is_no_fault_of_the_archive(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(unpacking.Budget, "copy", full)
    with pytest.raises(OSError, match="No space"):
        unpack(pack(tmp_path / "x.zip", ("a", b"1")), folder, max_bytes=MIB, file=LABEL)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.csv.gz", "a.csv"), ("a.TGZ", "a"), (".gz", ".gz"), ("roads", "roads")],
)
def test_a_name_without_its_archive_suffix(name: str, expected: str) -> None:
    assert without_archive_suffix(name) == expected
