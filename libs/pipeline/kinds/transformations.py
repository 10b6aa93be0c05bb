"""What a user should know about a change of CRS, for any kind of data.

What belongs here: warnings about transformations. What does not: finding them
(`libs.spatial_utils.crs`).
"""

from collections.abc import Iterable

from libs.models.version import Transformation, Warn


def transformation_warnings(table: str, transformations: Iterable[Transformation]) -> list[Warn]:
    """Return the warnings of a table's transformations: missing grids, then ballpark ones."""
    transformations = tuple(transformations)
    less_accurate = [
        Warn(
            code="crs.more_accurate_transformation",
            message=f"Table {table!r}: a more accurate way from {item.source_crs} to "
            f"{item.target_crs} needs {', '.join(item.missing_grids)}, which is not installed; "
            f"used was {item.name!r} ({_accuracy(item)}).",
        )
        for item in transformations
        if item.missing_grids
    ]
    return less_accurate + [
        Warn(
            code="crs.ballpark_transformation",
            message=f"Table {table!r}: PROJ knows no exact way from {item.source_crs} to "
            f"{item.target_crs}; positions may be off by hundreds of metres.",
        )
        for item in transformations
        if item.is_ballpark
    ]


def _accuracy(item: Transformation) -> str:
    return "accuracy unknown" if item.accuracy_m is None else f"accurate to {item.accuracy_m:g} m"
