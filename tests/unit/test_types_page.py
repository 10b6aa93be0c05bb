"""The page on column types cannot drift from the tables that the pipeline goes by."""

import re
from pathlib import Path

from libs.compute.arrow_types import arrow_type
from libs.pipeline.kinds import format_warnings
from libs.spatial_utils.column_types import (
    ARROW_AS_TEXT,
    OGR_TYPES,
    POSTGRES_TYPES,
    is_held_as_text,
    layer_type,
)

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "types.md").read_text("utf-8")


def rows_below(heading: str) -> list[str]:
    """Return the rows of the first table below a heading of the page."""
    _, _, section = PAGE.partition(f"\n## {heading}\n")
    lines = section.partition("\n## ")[0].splitlines()
    return [line for line in lines if line.startswith("| `")]


def test_each_type_that_ogr_reads_is_on_the_page() -> None:
    expected = []
    for name in dict.fromkeys(OGR_TYPES.values()):
        sources = [
            ogr if subtype == "None" else f"{ogr} ({subtype})"
            for (ogr, subtype), ours in OGR_TYPES.items()
            if ours == name
        ]
        expected.append(f"| `{name}` | {', '.join(sources)} |")
    assert rows_below("From a source") == expected


def test_each_type_is_on_the_page_with_what_every_format_makes_of_it() -> None:
    def layer_cell(output_format: str, name: str) -> str:
        mark = " (text)" if is_held_as_text(output_format, name) else ""
        return f"{layer_type(output_format, name)}{mark}"

    def parquet_cell(name: str) -> str:
        return str(arrow_type(name)).replace("item: ", "").replace("element: ", "")

    expected = [
        f"| `{name}` | {postgres} | {parquet_cell(name)} | {layer_cell('flatgeobuf', name)} "
        f"| {layer_cell('gpkg', name)} |"
        for name, postgres in POSTGRES_TYPES.items()
    ]
    assert rows_below("To the published files") == expected
    assert {str(arrow_type(name)) for name in ARROW_AS_TEXT} == {"string"}


def test_each_change_that_a_receipt_tells_is_on_the_page() -> None:
    source = Path(format_warnings.__file__).read_text("utf-8")
    codes = set(re.findall(r'"(output\.\w+)"', source))
    assert len(codes) > 5
    for code in codes:
        assert f"`{code}`" in PAGE
