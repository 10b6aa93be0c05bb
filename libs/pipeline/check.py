"""Phase 5, check: every hop holds what the hop before it held, and the contract is kept.

What belongs here: comparing hops. What does not: the user's contract (`libs.pipeline.contract`),
reading back the dumped files (`libs.pipeline.dump`).
"""

from libs.models.errors import FidelityError
from libs.models.version import Warn
from libs.pipeline.contract import check_contract
from libs.pipeline.kinds.registry import kind_of
from libs.pipeline.state import Checked, Transformed, TransformedTable
from libs.pipeline.workbench import Workbench

DEFECT_REMEDY = (
    "Nothing was published. Report the drop's id with the file: the pipeline lost or changed data."
)


def check(bench: Workbench, transformed: Transformed) -> Checked:
    """Compare all hops so far; raises `FidelityError` or `ContractError`."""
    kind = kind_of(transformed.intake.manifest.intent)
    warnings: list[Warn] = []
    checks = 0
    for table in transformed.tables:
        made, said = kind.check(bench, table)
        checks += made
        warnings += said
    checks += check_contract(bench, kind, transformed)
    return Checked(transformed, checks, tuple(warnings))


def require_equal(table: TransformedTable, code: str, what: str, expected: int, found: int) -> None:
    """Raise `FidelityError` with the code `fidelity.<code>` where two hops differ."""
    if expected != found:
        raise FidelityError(
            f"fidelity.{code}",
            f"Table {table.name!r}: expected {expected} {what}, found {found}.",
            remedy=DEFECT_REMEDY,
            file=table.file,
            layer=table.layer,
        )
