"""Dagster's daemon, which looks after sensors every second.

Dagster's own pace is a round of five seconds, whatever a sensor asks for: a drop that comes right
after another would wait that long to be noticed. The arguments are those of `dagster-daemon`.

What belongs here: that pace. What does not: how often a sensor wants to look (`sensor_interval_s`
in `libs.models.config`).
"""

from dagster._daemon import sensor
from dagster._daemon.cli import main as dagster_daemon

ROUND_S = 1


def main() -> None:
    """Run until told to stop."""
    look_often()
    dagster_daemon()


def look_often() -> None:
    """Have sensor daemons of this process make a round every `ROUND_S` seconds."""
    if not hasattr(sensor, "MIN_INTERVAL_LOOP_TIME"):
        raise RuntimeError("this version of Dagster paces its sensors in another way")
    sensor.MIN_INTERVAL_LOOP_TIME = ROUND_S


if __name__ == "__main__":
    main()
