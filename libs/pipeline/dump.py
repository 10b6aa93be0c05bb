"""Phase 6, dump: each table as files, each file read back.

What belongs here: the loop over tables and formats. What does not: writing a kind of data and
holding what was read back against it (`libs.pipeline.kinds`).
"""

from libs.models.version import Warn
from libs.pipeline.kinds.registry import kind_of
from libs.pipeline.state import Checked, Dumped, DumpedTable
from libs.pipeline.workbench import Workbench


def dump(bench: Workbench, checked: Checked) -> Dumped:
    """Write all files; raises `FidelityError` where one holds something else than its table."""
    manifest = checked.intake.manifest
    kind = kind_of(manifest.intent)
    warnings: list[Warn] = []
    tables = []
    for number, table in enumerate(checked.transformed.tables):
        folder = bench.subfolder(f"dump/{number}")
        formats, said = kind.formats(table, manifest.options.outputs)
        warnings += said
        files = []
        for name in formats:
            file, said = kind.write(bench, table, name, folder)
            files.append(file)
            warnings += said
        tables.append(DumpedTable(table, tuple(files)))
    return Dumped(checked, tuple(tables), tuple(warnings))
