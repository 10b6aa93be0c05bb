"""Phase 6, dump: each table as files, each file read back and counted.

What belongs here: the loop over tables and formats, and the comparison with what was read back.
What does not: writing a kind of data (`libs.pipeline.kinds`).
"""

from libs.models.version import Warn
from libs.pipeline.check import require_equal
from libs.pipeline.kinds.registry import kind_of
from libs.pipeline.state import Checked, Dumped, DumpedTable
from libs.pipeline.workbench import Workbench


def dump(bench: Workbench, checked: Checked) -> Dumped:
    """Write all files; raises `FidelityError` where one holds other rows than its table."""
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
            require_equal(
                table, "rows_written", f"rows in the {name} file", table.facts.rows, file.rows
            )
            files.append(file)
            warnings += said
        tables.append(DumpedTable(table, tuple(files)))
    return Dumped(checked, tuple(tables), tuple(warnings))
