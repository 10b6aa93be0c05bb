"""What `describe_table.py` is asked: which file, read how, spooled where.

What belongs here: the request, typed on both sides of the process border. What does not: the answer
(`libs.spatial_utils.layers`).
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from libs.tabular.reader import MIB, ReadOrder


class TableRequest(BaseModel):
    """A file that is read without GDAL; all but the first six fields are of CSV.

    Of `layers`, where any are named, only those are read of a format that may have several.

    `x_column` and `y_column` make points, which `is_degrees` keeps within the world.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    driver: str
    path: Path
    file: str
    layer: str
    spool: Path
    layers: tuple[str, ...] = ()
    encoding: str | None = None
    delimiter: str | None = None
    declared: dict[str, str] = {}
    guess_types: bool = False
    keep_bad_rows: bool = False
    max_record_bytes: int = 16 * MIB
    x_column: str | None = None
    y_column: str | None = None
    is_degrees: bool = False

    @property
    def order(self) -> ReadOrder:
        """How its reader is told."""
        return ReadOrder(
            path=self.path,
            file=self.file,
            layer=self.layer,
            encoding=self.encoding,
            delimiter=self.delimiter,
            declared=self.declared,
            guess_types=self.guess_types,
            keep_bad_rows=self.keep_bad_rows,
            max_record_bytes=self.max_record_bytes,
        )
