"""The refusal of text that cannot be decoded, with the place and the encoding it may have.

What belongs here: the words. What does not: decoding (`text`).
"""

from libs.models.errors import SourceError
from libs.tabular.problems import Tally
from libs.tabular.reader import ReadOrder
from libs.tabular.text import Encoding, first_undecodable, likely_encoding


def undecodable(order: ReadOrder, encoding: Encoding, marked: Tally) -> SourceError:
    """Return the refusal of a file where `marked` rows are not text in `encoding`."""
    found = first_undecodable(order.path, encoding)
    if found is None:
        return order.refusal(
            "nul_character",
            f"expected text that PostgreSQL can hold, found the NUL character (or half of a "
            f"surrogate pair) in {marked.shown}.",
            remedy="If the file is UTF-16 without a byte order mark, declare files[].encoding "
            "(utf-16-le or utf-16-be); else correct the rows, or set options.bad_rows to 'keep' "
            "for visible escapes.",
            row=marked.first,
        )
    offset, wrong = found
    likely = likely_encoding(order.path, offset)
    return order.refusal(
        "encoding",
        f"expected {encoding.name}, found bytes that are not in {marked.shown}; the first is "
        f"0x{wrong.hex()} at byte {offset} of the file.",
        remedy=f"Declare the file's encoding in files[].encoding (it may be {likely!r}), or set "
        "options.bad_rows to 'keep' for visible escapes.",
        row=marked.first,
    )
