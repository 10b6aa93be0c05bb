"""Which encodings bytes may be in, judged by how they read: for a message, never for a decision.

What belongs here: the ranking, and showing it. What does not: whether bytes must be refused
(`dbf_text`, `text_files`).
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

CANDIDATES = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp850",
    "cp866", "cp874", "koi8-r", "gb18030", "cp950", "cp932", "cp949",
)  # fmt: skip
MAX_SAMPLE_CHARACTERS = 4096
UNLIKELY = 0.3
"""Below it letters stand as they do in no language; text read rightly is near 1."""
_SYMBOLS = frozenset("°ºª²³½¼¾§€©®™«»“”„—…·№\xa0\u2013\u2018\u2019")
_WORD = re.compile(r"[^\W\d_]+")
_COMMON_LEADS = {
    "gb18030": range(0xB0, 0xD8),
    "cp950": range(0xA4, 0xC7),
    "cp932": range(0x82, 0x98),
    "cp949": range(0xB0, 0xC9),
}
"""Lead bytes of the characters in daily use; those beyond are rare in names."""


def likely_encodings(samples: Sequence[bytes], *, limit: int = 4) -> list[tuple[str, list[str]]]:
    """Return up to `limit` (codec, the samples read by it), the likeliest first, readings distinct.

    `samples` are texts that are not UTF-8.
    """
    found: list[tuple[float, str, list[str]]] = []
    for codec in CANDIDATES:
        try:
            texts = [sample.decode(codec) for sample in samples]
        except UnicodeDecodeError:
            continue
        found.append((_likelihood(codec, samples, texts), codec, texts))
    ranked: list[tuple[str, list[str]]] = []
    for _, codec, texts in sorted(found, key=lambda item: -item[0]):
        if all(texts != others for _, others in ranked):
            ranked.append((codec, texts))
    return ranked[:limit]


def shown_readings(sample: bytes, codecs: Sequence[str]) -> str:
    """Return how a text reads in each of some codecs, for a message."""
    return ", ".join(f"{sample.decode(codec, 'replace')!r} in {codec}" for codec in codecs)


def is_unlikely(codec: str, samples: Sequence[bytes]) -> bool:
    """Return whether the samples read by `codec` look like no language, and by another like one."""
    texts = [sample.decode(codec, "replace") for sample in samples]
    if _likelihood(codec, samples, texts) >= UNLIKELY:
        return False
    ((other, readings), *_) = likely_encodings(samples, limit=1) or [(codec, texts)]
    return readings != texts and _likelihood(other, samples, readings) > 2 * UNLIKELY


def _likelihood(codec: str, samples: Sequence[bytes], texts: Sequence[str]) -> float:
    """Return about 1 where every byte beyond ASCII reads as a letter in a plausible word."""
    text = "\n".join(texts)[:MAX_SAMPLE_CHARACTERS]
    beyond = [character for character in text if not character.isascii()]
    if not beyond:
        return 0
    if codec in _COMMON_LEADS:
        return _share_of_common_characters(codec, samples)
    points = sum(_points(character) for character in beyond)
    words = sum(_oddity(word) for word in _WORD.findall(text) if not word.isascii())
    return (points - words) / len(beyond)


def _share_of_common_characters(codec: str, samples: Sequence[bytes]) -> float:
    common = total = 0
    for sample in samples:
        bytes_left = iter(sample[:MAX_SAMPLE_CHARACTERS])
        for byte in bytes_left:
            if byte > 0x80:  # noqa: PLR2004 - the first lead byte of a pair
                total += 1
                common += byte in _COMMON_LEADS[codec] and next(bytes_left, 0) > 0x3F  # noqa: PLR2004
    return 1.2 * common / total - 0.2 if total else 0


def _points(character: str) -> float:
    if character in _SYMBOLS:
        return 0.5
    return 1 if character.isalpha() else -1


def _oddity(word: str) -> float:
    """Return how unlike a word letters are: scripts mixed, capitals inside, accents in a row."""
    scripts = [_script(character) for character in word]
    odd = float(len(set(scripts)) - 1) * 2
    for (one, other), (script, next_script) in zip(pairwise(word), pairwise(scripts), strict=True):
        if one.islower() and other.isupper():
            odd += 1
        if script == next_script == "LATIN" and not one.isascii() and not other.isascii():
            odd += 1
    return odd


def _script(character: str) -> str:
    return unicodedata.name(character, "?").partition(" ")[0]
