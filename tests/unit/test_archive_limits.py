"""Archives that are too large, lie about themselves, or end too early."""

import bz2
import gzip
import lzma
import random
import struct
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from libs.models.errors import SourceError
from libs.spatial_utils.containers import budget, zips
from libs.spatial_utils.containers.unpacking import unpack
from tests.unit.packing import (
    LABEL,
    MIB,
    TEXT,
    pack,
    refusal,
    special,
    tarred,
    unpacked,
    write,
    zipped,
)


@pytest.mark.parametrize(
    ("max_bytes", "free_bytes", "ratio"),
    [(9999, 100 * MIB, 1000), (MIB, 100, 10)],
    ids=["bytes allowed", "ratio"],
)
@pytest.mark.parametrize(
    "pack_as",
    [
        zipped,
        lambda *members: gzip.compress(tarred(*members)),
        lambda *members: gzip.compress(members[0][1]),
        lambda *members: zipped(("inner.zip", zipped(*members))),
    ],
    ids=["zip", "tar.gz", "gz", "nested"],
)
def test_a_bomb_is_refused(
    pack_as: Any,
    max_bytes: int,
    free_bytes: int,
    ratio: int,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(budget, "RATIO_FREE_BYTES", free_bytes)
    monkeypatch.setattr(budget, "MAX_RATIO", ratio)
    monkeypatch.setattr(budget, "CHUNK_BYTES", 1000)
    error = refusal(write(tmp_path, pack_as(("a", bytes(20_000)))), folder, max_bytes)
    assert error.reason.code == "source.archive_too_large"
    written = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert written <= max_bytes


def test_archives_inside_an_archive_share_its_limits(folder: Path, tmp_path: Path) -> None:
    inner = zipped(("a", bytes(6000)))
    archive = pack(tmp_path / "x.zip", ("1.zip", inner), ("2.zip", inner))
    packed_bytes = 2 * len(inner)
    assert refusal(archive, folder, 12_000 + packed_bytes - 1)
    assert unpacked(archive, folder.parent / "2nd", max_bytes=12_000 + packed_bytes)


def test_an_archive_of_exactly_the_bytes_allowed_is_unpacked(folder: Path, tmp_path: Path) -> None:
    archive = pack(tmp_path / "x.zip", ("a", bytes(6000)), ("b", bytes(4000)))
    assert len(unpacked(archive, folder, max_bytes=10_000).members) == 2


@pytest.mark.parametrize("pack_as", [zipped, tarred])
def test_too_many_members_are_refused(
    pack_as: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "MAX_MEMBERS", 3)
    archive = write(tmp_path, pack_as(*((str(number), b"") for number in range(4))))
    assert refusal(archive, folder).reason.code == "source.archive_too_large"


def test_a_directory_of_more_bytes_than_allowed_is_not_taken_into_memory(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zips, "MAX_DIRECTORY_BYTES", 1000)
    archive = pack(tmp_path / "x.zip", *((f"{number:050}", b"") for number in range(20)))
    assert "a directory of" in refusal(archive, folder).reason.message


def test_an_extended_header_of_a_tar_is_not_taken_into_memory(folder: Path, tmp_path: Path) -> None:
    archive = write(tmp_path, tarred((special("x", tarfile.XHDTYPE), bytes(2 * MIB)), ("a", b"1")))
    assert "a header of more than" in refusal(archive, folder, 100 * MIB).reason.message


def test_members_that_overlap_are_refused(folder: Path, tmp_path: Path) -> None:
    kernel = zipped(("a", bytes(10 * MIB)))
    start = kernel.index(b"PK\x01\x02")
    entry = kernel[start : kernel.index(b"PK\x05\x06")]
    many = [entry.replace(b"a", bytes([97 + n])) if n else entry for n in range(26)]
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 26, 26, len(b"".join(many)), start, 0)
    archive = write(tmp_path, kernel[:start] + b"".join(many) + end)
    assert refusal(archive, folder, 1000 * MIB).reason.code == "source.archive_too_large"


def test_a_sparse_member_is_bounded_by_what_it_expands_to(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "hole").touch()
    subprocess.run(["truncate", "-s", "50M", tmp_path / "hole"], check=True)
    subprocess.run(["tar", "-cSf", tmp_path / "x.tar", "-C", tmp_path, "hole"], check=True)
    (tmp_path / "hole").unlink()
    assert (tmp_path / "x.tar").stat().st_size < MIB
    error = refusal(tmp_path / "x.tar", folder, 10 * MIB)
    assert error.reason.code == "source.archive_too_large"


@pytest.mark.parametrize("said", [10, 50_000])
def test_a_member_that_is_not_as_long_as_it_says_is_refused(
    said: int, folder: Path, tmp_path: Path
) -> None:
    content = zipped(("a", b"x" * 5000))
    size = (5000).to_bytes(4, "little")
    assert content.count(size) == 2
    archive = write(tmp_path, content.replace(size, said.to_bytes(4, "little")))
    assert refusal(archive, folder, member="a").reason.code == "source.broken_archive"


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.8])
@pytest.mark.parametrize(
    "pack_as",
    [zipped, tarred, lambda *m: gzip.compress(tarred(*m)), lambda *m: lzma.compress(tarred(*m)),
     lambda *m: bz2.compress(tarred(*m))],
    ids=["zip", "tar", "tar.gz", "tar.xz", "tar.bz2"],
)  # fmt: skip
def test_a_truncated_archive_is_refused(
    pack_as: Any, kept: float, folder: Path, tmp_path: Path
) -> None:
    noise = random.Random(1).randbytes(20_000)
    content = pack_as(("a", noise), ("b", noise))
    archive = write(tmp_path, content[: int(len(content) * kept)])
    with pytest.raises(SourceError) as caught:
        unpack(archive, folder, max_bytes=MIB, file=LABEL)
    assert caught.value.reason.code == "source.broken_archive"


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (lambda tar: tar[:2048], "no end mark"),
        (lambda tar: tar[:1024] + b"\x01" + tar[1025:], "no end mark"),
        (lambda tar: tar + tar, "data after the end mark"),
    ],
    ids=["cut between members", "broken second header", "two tars in a row"],
)
def test_no_member_of_a_tar_is_missed_silently(
    change: Any, shown: str, folder: Path, tmp_path: Path
) -> None:
    archive = write(tmp_path, change(tarred(("a", b"1"), ("b", b"2"))))
    error = refusal(archive, folder)
    assert error.reason.code == "source.broken_archive"
    assert shown in error.reason.message


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_member_whose_bytes_are_broken_is_refused(
    method: int, folder: Path, tmp_path: Path
) -> None:
    archive = pack(tmp_path / "x.zip", ("a", TEXT), method=method)
    content = bytearray(archive.read_bytes())
    start = 31 + (9 if method == zipfile.ZIP_LZMA else 0)
    content[start : start + 40] = b"\xff" * 40
    archive.write_bytes(content)
    assert refusal(archive, folder, member="a").reason.code == "source.broken_archive"
