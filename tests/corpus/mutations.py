"""Mutated files: sound ones, damaged at random, the same ones again for the same seed.

What belongs here: the sound files and the ways to damage them. What does not: feeding them.
"""

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.corpus.drops import Drop
from tests.corpus.odd_files.writing import from_wkt, zipped

SHAPES = (
    "POLYGON((0 0,4 0,4 4,0 4,0 0),(1 1,2 1,2 2,1 1))",
    "MULTIPOLYGON(((10 10,11 10,11 11,10 10)),((20 20,21 20,21 21,20 20)))",
    "POLYGON((5 45,6 45,6.5 46,5 45))",
)
REPEATS = 8
SOUND_ROWS = len(SHAPES) * REPEATS
HEADER_BYTES = 128
SOUND = {
    "geopackage": "lots.gpkg",
    "shapefile": "lots.shp",
    "shapefile-zip": "lots.zip",
    "geojson": "lots.geojson",
    "flatgeobuf": "lots.fgb",
    "kml": "lots.kml",
}
PARTS = (".shp", ".shx", ".dbf", ".prj")
SAME_DATE = ("-nlt", "PROMOTE_TO_MULTI", "--config", "OGR_CURRENT_DATE", "2026-01-01T00:00:00Z")
"""GeoPackage and dBASE say when they were written: the same for ever, as the seed promises."""
Mutation = Callable[[bytearray, random.Random], None]


def flip_bits(content: bytearray, dice: random.Random) -> None:
    """Flip up to eight bits anywhere."""
    for _ in range(dice.randint(1, 8)):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)


def overwrite(content: bytearray, dice: random.Random) -> None:
    """Overwrite up to 64 bytes in a row with random ones."""
    start = dice.randrange(len(content))
    content[start : start + 64] = dice.randbytes(min(dice.randint(1, 64), len(content) - start))


def cut_off(content: bytearray, dice: random.Random) -> None:
    """Keep a beginning."""
    del content[dice.randrange(len(content)) :]


def double_a_block(content: bytearray, dice: random.Random) -> None:
    """Insert a copy of some bytes right behind them."""
    start = dice.randrange(len(content))
    end = min(start + dice.randint(1, 512), len(content))
    content[end:end] = content[start:end]


def change_the_header(content: bytearray, dice: random.Random) -> None:
    """Set a byte near the beginning to a value at an edge."""
    for _ in range(dice.randint(1, 3)):
        content[dice.randrange(min(HEADER_BYTES, len(content)))] = dice.choice(
            (0, 1, 127, 128, 255)
        )


def change_a_digit(content: bytearray, dice: random.Random) -> None:
    """Replace a digit, quote, bracket or comma by another character of that kind."""
    marks = b'0123456789"{}[]<>,.-'
    places = [n for n, byte in enumerate(content) if byte in marks]
    for place in dice.sample(places, min(len(places), dice.randint(1, 4))):
        content[place] = dice.choice(marks)


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits, overwrite, cut_off, double_a_block, change_the_header, change_a_digit,
)  # fmt: skip


def mutated_drops(folder: Path, count: int, seed: int) -> Iterator[Drop]:
    """Yield `count` drops of damaged files; number n of a seed is always the same."""
    sound = _make_sound_files(folder / "sound")
    for number in range(count):
        dice = random.Random(f"{seed} {number}")
        name = list(SOUND)[number % len(SOUND)]
        mutate = dice.choice(MUTATIONS)
        own = folder / str(number)
        own.mkdir()
        files = _damaged(sound, name, own, lambda data, m=mutate, d=dice: m(data, d), dice)
        yield Drop(f"{seed}-{number:04}-{name}-{mutate.__name__.replace('_', '-')}", tuple(files))


def _make_sound_files(folder: Path) -> Path:
    folder.mkdir()
    for file in SOUND.values():
        if not file.endswith(".zip"):
            dated = ("-lco", "DBF_DATE_LAST_UPDATE=2026-01-01") if file.endswith(".shp") else ()
            from_wkt(folder / file, *(SHAPES * REPEATS), options=(*SAME_DATE, *dated))
    return folder


def _damaged(
    sound: Path, name: str, folder: Path, mutate: Callable[[bytearray], None], dice: random.Random
) -> list[Path]:
    """Copy the files of a format into `folder`, one of them damaged."""
    main = folder / SOUND[name]
    if not name.startswith("shapefile"):
        shutil.copy(sound / main.name, main)
        _damage(main, mutate)
        return [main]
    parts = [Path(shutil.copy(sound / f"lots{suffix}", folder)) for suffix in PARTS]
    is_inside = name == "shapefile" or dice.random() < 0.5
    if is_inside:
        _damage(dice.choice(parts), mutate)
    if name == "shapefile":
        return parts
    zipped(main, {part.name: part for part in parts})
    if not is_inside:
        _damage(main, mutate)
    return [main]


def _damage(path: Path, mutate: Callable[[bytearray], None]) -> None:
    content = bytearray(path.read_bytes())
    mutate(content)
    path.write_bytes(content)
