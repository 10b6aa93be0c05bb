"""Dagster's daemon, which looks for drops several times a second, and after runs as they come.

Dagster's own pace is a round of five seconds, whatever a sensor asks for: a drop that comes right
after another would wait that long to be noticed. The arguments are those of `dagster-daemon`.

What belongs here: that pace. What does not: how often a sensor wants to look (`sensor_interval_s`
in `libs.models.config`), the queue of runs (`run_queue`).
"""

from dagster._daemon import controller, sensor
from dagster._daemon.cli import main as dagster_daemon

from services.dagster.run_queue import PromptQueueDaemon

ROUND_S = 0.25


def main() -> None:
    """Run until told to stop."""
    look_often()
    dagster_daemon()


def look_often() -> None:
    """Have this process look after sensors every `ROUND_S` seconds, and promptly after runs."""
    if not hasattr(sensor, "MIN_INTERVAL_LOOP_TIME"):
        raise RuntimeError("this version of Dagster paces its sensors in another way")
    sensor.MIN_INTERVAL_LOOP_TIME = ROUND_S  # type: ignore[assignment]
    if not hasattr(controller, "QueuedRunCoordinatorDaemon"):
        raise RuntimeError("this version of Dagster makes its daemons in another way")
    controller.QueuedRunCoordinatorDaemon = PromptQueueDaemon


if __name__ == "__main__":
    main()
