"""Which loopback ports a stack listens on.

What belongs here: choosing them. What does not: who listens there (`programs`).
"""

import random
import socket
from collections.abc import Callable, Mapping
from typing import Literal

Ports = Literal["preferred", "free"]

LOOPBACK = "127.0.0.1"
PREFERRED = {
    "postgis": 5432,
    "dagster-postgres": 5433,
    "s3": 9000,
    "mongo": 27017,
    "user-code": 4000,
    "webserver": 3000,
}
S3_INNER = (
    "s3-grpc",
    "s3-master",
    "s3-master-grpc",
    "s3-volume",
    "s3-volume-grpc",
    "s3-filer",
    "s3-filer-grpc",
    "s3-admin",
)
# Below the kernel's ephemeral range (from 32768), so that no outgoing connection takes a port that
# is remembered while the stack is down; below 22768 so that `port + GRPC_OFFSET` is below it too.
FREE_RANGE = range(20000, 22768)
# SeaweedFS's worker dials its admin server at this distance from the admin port, whatever the
# flag for the admin's gRPC port says.
GRPC_OFFSET = 10000


def is_free(port: int) -> bool:
    """Return whether a server can listen on a loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose_ports(
    mode: Ports, recorded: Mapping[str, int], say: Callable[[str], None]
) -> dict[str, int]:
    """Return a port for each listener: the preferred one, else the last one, else any free one."""
    chosen: dict[str, int] = {}
    for name in (*PREFERRED, *S3_INNER):
        preferred = PREFERRED.get(name) if mode == "preferred" else None
        wanted = [port for port in (preferred, recorded.get(name)) if port is not None]
        port = next((port for port in wanted if _is_usable(port, chosen)), None)
        chosen[name] = port if port is not None else _any_free(chosen)
        if preferred is not None and chosen[name] != preferred:
            say(f"port {preferred} is busy: {name} listens on {chosen[name]}")
    return chosen


def _is_usable(port: int, taken: Mapping[str, int]) -> bool:
    return port not in taken.values() and is_free(port)


def _any_free(taken: Mapping[str, int]) -> int:
    candidates = random.sample(FREE_RANGE, len(FREE_RANGE))
    return next(
        port for port in candidates if _is_usable(port, taken) and is_free(port + GRPC_OFFSET)
    )
