"""Dataset versions and their lineage: the `assets` and `lineage` collections.

A version's `_id` names the attempt that published it. So an attempt that was given up between its
fence and its insert can be refused for ever: a seal takes its `_id` first. Seals are no versions:
their number is 0, they hold no tables, and they go when the drop is published, or with the reaper.

What belongs here: publishing a version, sealing an attempt, and every query that reads versions.
What does not: drops and attempts (`libs.ledger.ledger`).
"""

from contextlib import suppress
from dataclasses import dataclass

from pymongo import ASCENDING, DESCENDING
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from libs.ledger.connection import Document, translated
from libs.ledger.ledger import now
from libs.models.errors import NotFoundError, SupersededError
from libs.models.version import Version
from libs.patience import patient

NO_VERSION = 0


@dataclass(frozen=True)
class Seal:
    """An attempt that was given up and may publish nothing any more."""

    drop_id: str
    attempt: int


@dataclass(frozen=True)
class Catalog:
    """Versions in the ledger's database; each query waits out outages of `patience_s` seconds."""

    database: Database[Document]
    patience_s: float = 0

    @patient
    def publish(self, version: Version) -> Version | None:
        """Insert a version: the commit point.

        Returns what the ledger now holds for the version's drop, which is an earlier attempt's
        document where there is one; None where another drop took the version number. Raises
        `SupersededError` where the attempt is sealed.
        """
        name = _name(version.manifest_id, version.attempt)
        try:
            with translated("publish a version"):
                self.database.assets.insert_one({"_id": name, **version.model_dump()})
        except DuplicateKeyError:
            found = self.version_of_drop(version.manifest_id)
            if found is None and self._is_sealed(name):
                raise SupersededError(
                    "attempt.superseded",
                    f"expected attempt {version.attempt} of drop {version.manifest_id[:12]} to "
                    "have its drop in hand, found that it was given up.",
                    remedy="Nothing to do: the newer attempt or the given answer stands.",
                ) from None
            return found
        return version

    @patient
    def seal(self, drop_id: str, attempt: int) -> Version | None:
        """See to it that an attempt publishes nothing from now on; safe to repeat.

        Returns the version that the drop was published as before, by this attempt or another.
        """
        name = _name(drop_id, attempt)
        seal = {
            "_id": name,
            "dataset_id": f"sealed/{name}",
            "version": NO_VERSION,
            "manifest_id": f"sealed/{name}",
            "tables": [],
            "inputs": [],
            "sealed": {"drop_id": drop_id, "attempt": attempt},
            "created_at": now(),
        }
        with translated("seal an attempt"), suppress(DuplicateKeyError):
            self.database.assets.insert_one(seal)
        return self.version_of_drop(drop_id)

    @patient
    def seals(self) -> list[Seal]:
        """Return the attempts that are sealed."""
        with translated("list sealed attempts"):
            found = self.database.assets.find({"version": NO_VERSION}, {"sealed": 1})
            return [Seal(**document["sealed"]) for document in found]

    @patient
    def unseal(self, seal: Seal) -> None:
        """Take away a seal that nobody can run into any more."""
        with translated("take away a seal"):
            self.database.assets.delete_one(
                {"_id": _name(seal.drop_id, seal.attempt), "version": NO_VERSION}
            )

    @patient
    def unseal_published(self, drop_id: str, attempts: int) -> None:
        """Take away the seals of a published drop: its version keeps other attempts out as well."""
        names = [_name(drop_id, number) for number in range(1, attempts + 1)]
        with translated("take away the seals of a drop"):
            self.database.assets.delete_many({"_id": {"$in": names}, "version": NO_VERSION})

    @patient
    def _is_sealed(self, name: str) -> bool:
        with translated("look for a seal"):
            found = self.database.assets.find_one({"_id": name, "version": NO_VERSION}, {"_id": 1})
        return found is not None

    @patient
    def record_lineage(self, version: Version) -> None:
        """Write an edge from each input to the version; safe to repeat."""
        for item in version.inputs:
            edge = {
                "dataset_id": version.dataset_id,
                "version": version.version,
                "input": item.path,
            }
            with translated("record lineage"):
                self.database.lineage.update_one(
                    edge,
                    {
                        "$set": {
                            "sha256": item.sha256,
                            "size_bytes": item.size_bytes,
                            "manifest_id": version.manifest_id,
                            "run_id": version.run_id,
                            "created_at": version.created_at,
                        }
                    },
                    upsert=True,
                )

    def version_of_drop(self, drop_id: str) -> Version | None:
        """Return the version a drop was published as."""
        return self._one({"manifest_id": drop_id})

    def version_of_run(self, run_id: str) -> Version | None:
        """Return the version that a run published."""
        return self._one({"run_id": run_id})

    @patient
    def published_keys(self) -> set[str]:
        """Return the lake's keys that versions name."""
        with translated("list published files"):
            found = self.database.assets.find({}, {"tables.outputs.key": 1})
            return {
                output["key"]
                for document in found
                for table in document["tables"]
                for output in table["outputs"]
            }

    def latest(self, dataset_id: str) -> Version | None:
        """Return the newest version of a dataset."""
        return self._one({"dataset_id": dataset_id})

    def next_version(self, dataset_id: str) -> int:
        """Return the number the next version of a dataset would get."""
        newest = self.latest(dataset_id)
        return newest.version + 1 if newest else 1

    def has_content(self, content_hash: str) -> bool:
        """Return whether any version was made of this content."""
        return self._one({"content_hash": content_hash}) is not None

    def find(self, dataset_id: str, version: int | None = None) -> Version | None:
        """Return a version, the newest where none is named; None where there is none."""
        query: Document = {"dataset_id": dataset_id}
        if version is not None:
            query["version"] = version
        return self._one(query)

    def get(self, dataset_id: str, version: int | None = None) -> Version:
        """Return a version, the newest where none is named; raises `NotFoundError`."""
        found = self.find(dataset_id, version)
        if found is None:
            wanted = dataset_id if version is None else f"{dataset_id}@{version}"
            raise NotFoundError(
                "ledger.no_such_version",
                f"expected a published version {wanted}, found none.",
                remedy="`spatial-etl datasets` lists what is published.",
            )
        return found

    @patient
    def versions(self, dataset_id: str) -> list[Version]:
        """Return all versions of a dataset, oldest first."""
        with translated("list versions"):
            found = self.database.assets.find({"dataset_id": dataset_id}, {"_id": 0})
            return [Version.model_validate(doc) for doc in found.sort("version", ASCENDING)]

    def datasets(self) -> list[Version]:
        """Return the newest version of every dataset, by dataset id."""
        with translated("list datasets"):
            ids = self.database.assets.distinct("dataset_id", {"version": {"$ne": NO_VERSION}})
        return [self.get(dataset_id) for dataset_id in sorted(ids)]

    @patient
    def _one(self, query: Document) -> Version | None:
        with translated("read a version"):
            document = self.database.assets.find_one(
                query, {"_id": 0}, sort=[("version", DESCENDING)]
            )
        return Version.model_validate(document) if document else None


def _name(drop_id: str, attempt: int) -> str:
    return f"{drop_id}:{attempt}"
