"""Which layers or tables of a file the manifest selects.

What belongs here: the refusal of a name that a file does not have. What does not: finding what it
has (`sources`, `tabular_sources`).
"""

from collections.abc import Collection

from libs.models.errors import SourceError
from libs.models.manifest import ManifestFile


def require_selected(file: ManifestFile, names: Collection[str]) -> None:
    """Raise `SourceError` where the manifest selects a layer that is none of `names`."""
    missing = [name for name in file.layers if name not in names]
    if missing:
        raise SourceError(
            "source.no_such_layer",
            f"expected layer {', '.join(map(repr, missing))}, found {', '.join(names)}.",
            remedy="Name one of the layers found in files[].layer, or leave it out for all.",
            file=file.path,
            layer=missing[0],
        )
