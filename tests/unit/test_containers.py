"""Zip archives: what is unpacked, where to, and what is refused."""

import warnings
import zipfile
from pathlib import Path

import pytest

from libs.models.errors import SourceError
from libs.spatial_utils import containers
from libs.spatial_utils.containers import is_zip, unpack

LABEL = "s3://landing-zone/uploads/roads.zip"
MIB = 1024 * 1024


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder to unpack into; what lies beside it must not change."""
    folder = tmp_path / "work" / "unpacked"
    folder.mkdir(parents=True)
    return folder


def pack(path: Path, *members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as archive:
        warnings.simplefilter("ignore", UserWarning)
        for name, content in members:
            info = zipfile.ZipInfo("placeholder")
            info.filename = name
            info.compress_type = method
            archive.writestr(info, content)
    return path


def refusal(archive: Path, folder: Path, max_bytes: int = MIB) -> SourceError:
    before = outside(folder)
    with pytest.raises(SourceError) as caught:
        unpack(archive, folder, max_bytes=max_bytes, file=LABEL)
    assert outside(folder) == before
    assert caught.value.reason.file == LABEL
    return caught.value


def outside(folder: Path) -> list[Path]:
    """Return everything under the test's own folder that is not in `folder`."""
    root = folder.parents[1]
    return sorted(path for path in root.rglob("*") if not path.is_relative_to(folder))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["roads.shp", "roads.dbf"], ["roads.shp", "roads.dbf"]),
        (["a/b/roads.shp"], ["a/b/roads.shp"]),
        (["a\\b\\roads.shp"], ["a/b/roads.shp"]),
        (["./roads.shp"], ["roads.shp"]),
        (["Ä b/ROADS.SHP"], ["Ä b/ROADS.SHP"]),
        (["a/", "a/x"], ["a/x"]),
        (["a\\", "a\\x"], ["a/x"]),
        (["__MACOSX/._roads.shp", "roads.shp"], ["roads.shp"]),
        (["a/__MACOSX/x", "a/._x", ".DS_Store", "a/Thumbs.db", "a/x"], ["a/x"]),
        (["a..b/..c"], ["a..b/..c"]),
        ([], []),
    ],
)
def test_members_are_unpacked_in_their_folders(
    names: list[str], expected: list[str], folder: Path, tmp_path: Path
) -> None:
    archive = pack(tmp_path / "x.zip", *((name, name.encode()) for name in names))
    members = unpack(archive, folder, max_bytes=MIB, file=LABEL)
    assert [member.name for member in members] == expected
    for member in members:
        assert member.path == folder / member.name
        assert member.path.read_bytes().decode().replace("\\", "/").endswith(member.path.name)


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "..\\evil", "a\\..\\..\\evil", "..", "/etc/evil", "//etc/evil",
     "\\etc\\evil", "a/.."],
)  # fmt: skip
def test_a_member_outside_the_archives_root_is_refused(
    name: str, folder: Path, tmp_path: Path
) -> None:
    error = refusal(pack(tmp_path / "x.zip", (name, b"evil")), folder)
    assert error.reason.code == "source.unsafe_archive"
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "names",
    [("a", "a"), ("a/b", "a\\b"), ("a", "./a"), ("a", "a/b"), ("a/b", "a")],
    ids=" then ".join,
)
def test_members_that_take_each_others_place_are_refused(
    names: tuple[str, str], folder: Path, tmp_path: Path
) -> None:
    archive = pack(tmp_path / "x.zip", *((name, b"1") for name in names))
    assert refusal(archive, folder).reason.code == "source.unsafe_archive"


def test_a_member_whose_name_no_file_system_holds_is_refused(folder: Path, tmp_path: Path) -> None:
    assert refusal(pack(tmp_path / "x.zip", ("x" * 300, b"1")), folder)


def test_an_encrypted_member_is_refused(folder: Path, tmp_path: Path) -> None:
    archive = pack(tmp_path / "x.zip", ("a", b"secret"))
    content = bytearray(archive.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    archive.write_bytes(content)
    error = refusal(archive, folder)
    assert error.reason.code == "source.broken_archive"
    assert "encrypted" in error.reason.message


def test_a_link_is_unpacked_as_the_file_it_is(folder: Path, tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    (member,) = unpack(tmp_path / "x.zip", folder, max_bytes=MIB, file=LABEL)
    assert not member.path.is_symlink()
    assert member.path.read_text() == "/etc/passwd"


@pytest.mark.parametrize(
    ("max_bytes", "free_bytes", "ratio"),
    [(9999, 100 * MIB, 1000), (MIB, 100, 10)],
    ids=["bytes allowed", "ratio"],
)
def test_a_bomb_is_refused_before_anything_is_written(
    max_bytes: int,
    free_bytes: int,
    ratio: int,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(containers, "RATIO_FREE_BYTES", free_bytes)
    monkeypatch.setattr(containers, "MAX_RATIO", ratio)
    error = refusal(pack(tmp_path / "x.zip", ("a", bytes(10_000))), folder, max_bytes)
    assert error.reason.code == "source.archive_too_large"
    assert "found 1 members and 10000 bytes" in error.reason.message
    assert not list(folder.iterdir())


def test_an_archive_of_exactly_the_bytes_allowed_is_unpacked(folder: Path, tmp_path: Path) -> None:
    archive = pack(tmp_path / "x.zip", ("a", bytes(6000)), ("b", bytes(4000)))
    assert len(unpack(archive, folder, max_bytes=10_000, file=LABEL)) == 2


def test_too_many_members_are_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "MAX_MEMBERS", 3)
    archive = pack(tmp_path / "x.zip", *((str(number), b"") for number in range(4)))
    assert refusal(archive, folder).reason.code == "source.archive_too_large"


def test_a_member_longer_than_it_says_is_refused(folder: Path, tmp_path: Path) -> None:
    archive = pack(tmp_path / "x.zip", ("a", b"x" * 5000))
    content = archive.read_bytes()
    size = (5000).to_bytes(4, "little")
    assert content.count(size) == 2
    archive.write_bytes(content.replace(size, (10).to_bytes(4, "little")))
    assert refusal(archive, folder).reason.code == "source.broken_archive"


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_a_truncated_archive_is_refused(kept: float, folder: Path, tmp_path: Path) -> None:
    archive = pack(tmp_path / "x.zip", ("a", bytes(range(256)) * 40), ("b", b"2"))
    archive.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * kept)])
    assert refusal(archive, folder).reason.code == "source.broken_archive"


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_member_whose_bytes_are_broken_is_refused(
    method: int, folder: Path, tmp_path: Path
) -> None:
    archive = pack(tmp_path / "x.zip", ("a", bytes(range(256)) * 40), method=method)
    content = bytearray(archive.read_bytes())
    start = 31 + (9 if method == zipfile.ZIP_LZMA else 0)
    content[start : start + 40] = b"\xff" * 40
    archive.write_bytes(content)
    assert refusal(archive, folder).reason.code == "source.broken_archive"


def test_what_is_a_zip_is_told_by_its_content(tmp_path: Path) -> None:
    archive = pack(tmp_path / "roads.gpkg", ("a", b"1"))
    assert is_zip(archive)
    other = tmp_path / "other.zip"
    other.write_bytes(b"SQLite format 3\x00")
    assert not is_zip(other)


def test_a_database_that_holds_a_zip_at_its_end_is_no_zip(tmp_path: Path) -> None:
    database = tmp_path / "roads.gpkg"
    archive = pack(tmp_path / "x.zip", ("a", b"1")).read_bytes()
    database.write_bytes(b"SQLite format 3\x00" + bytes(5000) + archive + bytes(500))
    assert not is_zip(database)
