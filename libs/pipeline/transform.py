"""Phase 4, transform: each table becomes what will be published, and is measured.

What belongs here: the loop over tables. What does not: the transform of a kind of data
(`libs.pipeline.kinds`).
"""

from libs.models.version import Warn
from libs.pipeline.kinds.registry import kind_of
from libs.pipeline.state import Loaded, Transformed, TransformedTable
from libs.pipeline.workbench import Workbench


def transform(bench: Workbench, loaded: Loaded) -> Transformed:
    """Transform all tables; raises `CrsError` or `SourceError` where one cannot be."""
    kind = kind_of(loaded.intake.manifest.intent)
    tables: list[TransformedTable] = []
    warnings: list[Warn] = []
    for number, table in enumerate(loaded.tables):
        transformed, said = kind.transform(bench, loaded, table, number)
        tables.append(transformed)
        warnings += said
    return Transformed(loaded, tuple(tables), tuple(warnings))
