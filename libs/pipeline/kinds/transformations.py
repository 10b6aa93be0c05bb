"""What a user should know about a change of CRS, for any kind of data.

What belongs here: warnings about transformations. What does not: finding them
(`libs.spatial_utils.operations`), the rows that they break (`reprojecting`).
"""

from collections.abc import Iterable

from libs.models.version import Transformation, Warn
from libs.spatial_utils.operations import OUTSIDE_MARGIN_DEGREES, Way


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


def way_warnings(table: str, way: Way) -> list[Warn]:
    """Return the warnings about sampled points: outside of a CRS's area, not where PROJ says."""
    said = [
        Warn(
            code="crs.outside_area",
            message=f"Table {table!r}: {count} of {way.points} sampled points lie more than "
            f"{OUTSIDE_MARGIN_DEGREES:g} degree outside the area that {crs} is made for. Check "
            "that the CRS is the right one.",
        )
        for crs, count in way.outside.items()
    ]
    first = way.transformations[0]
    if first.is_confirmed is False:
        said.append(
            Warn(
                code="crs.operation_unconfirmed",
                message=f"Table {table!r}: PostGIS moved points from {first.source_crs} to "
                f"{first.target_crs} up to {way.difference_m:.3g} m away from where "
                f"{first.name!r} puts them: its PROJ has other grids or another version. The "
                "accuracy of the positions is unknown.",
            )
        )
    return said


def _accuracy(item: Transformation) -> str:
    return "accuracy unknown" if item.accuracy_m is None else f"accurate to {item.accuracy_m:g} m"
