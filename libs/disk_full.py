"""A full disk of ours by any of its names, and the one error for it.

What belongs here: knowing it. What does not: the S3 server's disk (`libs.storage.client`).
"""

import errno
import re

from libs.models.errors import ComputeError

_FULL = re.compile(r"No space left on device|Disk quota exceeded|disk is full|disk full", re.I)


def is_disk_full(found: str | OSError) -> bool:
    """Return whether a program's words, or an error of the system's, tell of a full disk."""
    if isinstance(found, OSError):
        return found.errno in {errno.ENOSPC, errno.EDQUOT}
    return bool(_FULL.search(found))


def disk_full(where: str, said: str) -> ComputeError:
    """Return the error for `where`, which found its disk full and said so."""
    return ComputeError(
        "compute.disk_full",
        f"expected room on the disk for {where}, found none: {said}.",
        remedy="Free space below SPATIAL_ETL_WORK_DIR or where PostGIS keeps its data; the drop is "
        "tried again.",
    )
