"""Archives made for tests, unpacked with a look at what lies around them."""

import io
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest

from libs.models.errors import SourceError
from libs.spatial_utils.containers.unpacking import Unpacked, unpack

LABEL = "s3://landing-zone/uploads/roads.zip"
MIB = 1024 * 1024
TEXT = bytes(range(256)) * 40


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(target, "w", method) as archive:
        warnings.simplefilter("ignore", UserWarning)
        for name, content in members:
            info = zipfile.ZipInfo("placeholder")
            info.filename = name
            info.compress_type = method
            archive.writestr(info, content)
    return target.getvalue()


def tarred(*members: tuple[str | tarfile.TarInfo, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for member, content in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return target.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def write(tmp_path: Path, content: bytes, name: str = "packed") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def pack(path: Path, *members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path.write_bytes(zipped(*members, method=method))
    return path


def unpacked(archive: Path, folder: Path, *, file: str = LABEL, max_bytes: int = MIB) -> Unpacked:
    before = outside(folder)
    found = unpack(archive, folder, max_bytes=max_bytes, file=file)
    assert outside(folder) == before
    assert all(member.path.is_relative_to(folder) for member in found.members)
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    return found


def contents(archive: Path, folder: Path, **options: Any) -> dict[str, bytes]:
    found = unpacked(archive, folder, **options)
    return {member.name: member.path.read_bytes() for member in found.members}


def refusal(
    archive: Path, folder: Path, max_bytes: int = MIB, member: str | None = None
) -> SourceError:
    before = outside(folder)
    with pytest.raises(SourceError) as caught:
        unpack(archive, folder, max_bytes=max_bytes, file=LABEL)
    assert outside(folder) == before
    assert caught.value.reason.file == (f"{LABEL}!/{member}" if member else LABEL)
    return caught.value


def outside(folder: Path) -> list[Path]:
    """Return everything under the test's own folder that is not in `folder`."""
    root = folder.parents[1]
    return sorted(path for path in root.rglob("*") if not path.is_relative_to(folder))
