"""Admission: which of the drops that are due may have a run now.

Drops go in order of arrival into a queue of bounded length. Two things hold a drop back while those
behind it go on: the lane of large drops, which leaves one place to run for the others, and the room
on the disks, which a run takes by estimate before it begins. Small drops share runs where more of
them are due than may run: most of a small run's time is its own. One that was tried before goes
alone, so that no other drop dies with it twice.

What belongs here: the decision, from what is in hand and what the disks have. What does not:
opening the attempt (`libs.pipeline.attempts`).
"""

import math
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from libs.ledger.records import DropRecord
from libs.models.config import ServiceSettings
from libs.models.errors import Reason

MIB = 1024 * 1024


@dataclass(frozen=True)
class Disk:
    """A disk that runs write to: where, how often a file of a drop is counted, and its bytes."""

    places: tuple[Path, ...]
    factor: float
    free_bytes: int
    total_bytes: int


class Gate:
    """What may still be opened at this look."""

    def __init__(self, settings: ServiceSettings, in_hand: Iterable[DropRecord]) -> None:
        drops = list(in_hand)
        self._settings = settings
        working, queued = runs_in_hand(drops)
        self._idle_places = max(settings.max_concurrent_runs - working - queued, 0)
        self._places = settings.max_queued - queued
        self._sharing = 0
        self._large_places = settings.large_runs - sum(map(self._is_large, drops))
        self._taken_bytes = sum(map(size_bytes, drops))
        self._disks = disks(settings)
        self._is_lane_held = False

    @property
    def is_closed(self) -> bool:
        """Whether the queue is full."""
        return self._places <= 0

    def is_closed_to(self, drop: DropRecord) -> bool:
        """Return whether the queue is full, with no room for a drop in a run that is shared."""
        return self.is_closed and not (self.may_share(drop) and self._has_room_in_share())

    def _has_room_in_share(self) -> bool:
        return self._sharing % self._settings.shared_run_drops != 0

    def reason_to_wait(self, drop: DropRecord) -> Reason | None:
        """Return why a drop must wait although the queue has a place; None where it may go."""
        is_large = self._is_large(drop)
        if is_large and (self._is_lane_held or self._large_places <= 0):
            self._is_lane_held = True
            return self._lane_is_full()
        for disk in self._disks:
            needed = int(disk.factor * (size_bytes(drop) + self._taken_bytes))
            if needed > disk.free_bytes:
                self._is_lane_held = self._is_lane_held or is_large
                return _no_room(drop, disk, needed)
        return None

    def may_share(self, drop: DropRecord) -> bool:
        """Return whether a drop is small, and was not tried before."""
        was_tried = any(attempt.started_at is not None for attempt in drop.attempts)
        return not was_tried and size_bytes(drop) < self._settings.shared_drop_bytes

    def shares(self, drops: Sequence[DropRecord]) -> Iterator[Sequence[DropRecord]]:
        """Yield the drops that share a run, of those that may; one each while places are idle."""
        runs = max(
            math.ceil(len(drops) / self._settings.shared_run_drops),
            min(self._idle_places, len(drops)),
        )
        for run in range(runs):
            yield drops[run * len(drops) // runs : (run + 1) * len(drops) // runs]

    def admit(self, drop: DropRecord) -> None:
        """Count a drop that goes."""
        is_sharing = self.may_share(drop)
        takes_place = not (is_sharing and self._has_room_in_share())
        self._sharing += is_sharing
        self._places -= takes_place
        self._large_places -= self._is_large(drop)
        self._taken_bytes += size_bytes(drop)

    def _is_large(self, drop: DropRecord) -> bool:
        return size_bytes(drop) >= self._settings.large_drop_bytes

    def _lane_is_full(self) -> Reason:
        return Reason(
            code="held.large_lane",
            message=f"expected at most {self._settings.large_runs} drops of "
            f"{_mib(self._settings.large_drop_bytes)} or more to run at once, found as many: this "
            "one waits for its turn, smaller ones go on.",
            remedy="Nothing to do. SPATIAL_ETL_LARGE_DROP_BYTES and "
            "SPATIAL_ETL_MAX_CONCURRENT_RUNS say what is large and how many run.",
        )


def runs_in_hand(drops: Iterable[DropRecord]) -> tuple[int, int]:
    """Return how many runs work on drops in hand, and how many are queued with none at work."""
    keys: dict[bool, set[str]] = {True: set(), False: set()}
    for drop in drops:
        shared_key = drop.current.shared_key if drop.current else None
        keys[drop.status == "queued"].add(shared_key or drop.id)
    return len(keys[False]), len(keys[True] - keys[False])


def size_bytes(drop: DropRecord) -> int:
    """Return the size of all files that a drop names."""
    return sum(max(file.size_bytes, 0) for file in drop.files)


def disks(settings: ServiceSettings) -> tuple[Disk, ...]:
    """Return the disks that runs write to; work folder and PostGIS may share one."""
    places = [settings.work_dir]
    if settings.compute_dir:
        places.append(Path(settings.compute_dir))
    by_device: dict[int, list[Path]] = {}
    for place in map(_existing, places):
        by_device.setdefault(place.stat().st_dev, []).append(place)
    found = []
    for shared in by_device.values():
        usage = shutil.disk_usage(shared[0])
        factor = settings.disk_factor * len(shared)
        found.append(Disk(tuple(shared), factor, usage.free, usage.total))
    return tuple(found)


def never_fits(drop: DropRecord, settings: ServiceSettings) -> Reason | None:
    """Return why a drop can never run on these disks, however empty; None where it can."""
    for disk in disks(settings):
        needed = int(disk.factor * size_bytes(drop))
        if needed > disk.total_bytes:
            return Reason(
                code="source.too_large_for_disk",
                message=f"expected a run to need at most {_mib(disk.total_bytes)}, the whole disk "
                f"of {_names(disk)}; by estimate it needs {_mib(needed)}: {disk.factor:g} times "
                f"the {_mib(size_bytes(drop))} of its files.",
                remedy="Split the files, give the service a larger disk, or lower "
                "SPATIAL_ETL_DISK_FACTOR where the estimate is too careful.",
                file=max(drop.files, key=lambda file: file.size_bytes).path,
            )
    return None


def _no_room(drop: DropRecord, disk: Disk, needed: int) -> Reason:
    return Reason(
        code="held.no_room",
        message=f"expected {_mib(needed)} free on the disk of {_names(disk)}, by estimate "
        f"{disk.factor:g} times the files of this drop ({_mib(size_bytes(drop))}) and of those "
        f"that run, found {_mib(disk.free_bytes)}: it waits until there is room.",
        remedy="Wait for other runs to end, free space there, or lower SPATIAL_ETL_DISK_FACTOR "
        "where the estimate is too careful.",
    )


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.absolute().parents) if place.exists())


def _names(disk: Disk) -> str:
    return " and ".join(str(place) for place in disk.places)


def _mib(size: int) -> str:
    return f"{size / MIB:,.1f} MiB"
