"""`python -m services.compose.health user-code|webserver|daemon`: a container's health check.

What belongs here: asking with the container's own settings, and the exit code. What does not: the
questions (`services.local.health`).
"""

import os
import sys
from pathlib import Path

from services.local.health import PROBE_ERRORS, check_code_server, check_daemon, check_webserver

CHECKS = {
    "user-code": lambda: check_code_server(os.environ),
    "webserver": lambda: check_webserver(os.environ),
    "daemon": lambda: check_daemon(os.environ, Path("/proc/1").stat().st_mtime),
}


def main(name: str) -> int:
    """Return 0 where the service is healthy; say why it is not."""
    try:
        CHECKS[name]()
    except PROBE_ERRORS as err:
        sys.stderr.write(f"{err}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
