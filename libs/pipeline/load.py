"""Phase 3, load: what the files hold comes to where it is transformed, nothing renamed or lost.

What belongs here: handing over to the kind. What does not: how a kind of data is loaded
(`libs.pipeline.kinds`), comparing the counts (`libs.pipeline.check`).
"""

from libs.pipeline.kinds.registry import kind_of
from libs.pipeline.state import Fetched, Loaded
from libs.pipeline.workbench import Workbench


def load(bench: Workbench, fetched: Fetched) -> Loaded:
    """Load everything; raises a `TerminalError` naming the file and the place in it."""
    return kind_of(fetched.intake.manifest.intent).load(bench, fetched)
