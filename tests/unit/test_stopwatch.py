import time

import pytest

from libs.pipeline.stopwatch import Stopwatch


def test_parts_add_up_until_they_are_taken() -> None:
    watch = Stopwatch()
    with pytest.raises(ValueError, match="broken"):
        break_off(watch)
    with watch.timed("read"):
        time.sleep(0.02)
    watch.move(0.01, "read", "measure")
    taken = watch.take()
    assert taken["read"] >= 0.03
    assert taken["measure"] == 0.01
    assert watch.take() == {}


def break_off(watch: Stopwatch) -> None:
    with watch.timed("read"):
        time.sleep(0.02)
        raise ValueError("broken")
