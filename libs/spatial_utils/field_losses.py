"""What a database says of its columns besides name and type: aliases, and domains of coded values.

No format that we publish keeps them, and the columns keep the codes.

What belongs here: saying so. What does not: the values.
"""

from collections.abc import Iterator
from typing import Any

from libs.models.version import Warn

SHOWN = 10


def left_out(layer: Any) -> Iterator[Warn]:
    """Yield a warning of the aliases, and one of the domains, of an OGR layer's fields."""
    definition = layer.GetLayerDefn()
    fields = [definition.GetFieldDefn(number) for number in range(definition.GetFieldCount())]
    aliases = {
        field.GetName(): field.GetAlternativeName()
        for field in fields
        if field.GetAlternativeName() not in ("", field.GetName())
    }
    domains = {field.GetName(): field.GetDomainName() for field in fields if field.GetDomainName()}
    told = (
        ("aliases_left_out", "Aliases of columns, which keep their names,", aliases),
        ("domains_left_out", "Domains of columns, which keep their codes,", domains),
    )
    for code, what, found in told:
        if found:
            shown = ", ".join(f"{name} ({other})" for name, other in list(found.items())[:SHOWN])
            rest = ", …" if len(found) > SHOWN else ""
            message = f"{what} were left out: {shown}{rest}."
            yield Warn(code=f"source.{code}", message=message, layer=layer.GetName())
