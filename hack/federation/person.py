"""What the commands have to do with a person: telling, and being told to stop."""

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Final, NoReturn

from federation.federation import Federation
from federation.processes import FederationError

#: The exit code of what was interrupted, as shells have it.
INTERRUPTED: Final = 130


def say(text: str) -> None:
    """Tell the person who waits."""
    sys.stdout.write(f"  {text}\n")
    sys.stdout.flush()


def tell_how_to_use(federation: Federation, stop: str) -> None:
    """What to type to look around in it, and to stop it."""
    for name, cluster in federation.clusters.items():
        say(f"{name}: kubectl --kubeconfig {cluster.kubeconfig}")
    if federation.prometheus_url:
        say(f"Prometheus: {federation.prometheus_url}")
    say(f"kubectl is {federation.programs['kubectl']}")
    say(f"to stop it: {stop}")


def end_on_sigterm(number: int, frame: FrameType | None) -> NoReturn:
    """Unwind, and so stop what was started, as Ctrl-C does; for `signal.signal`."""
    del number, frame
    raise KeyboardInterrupt


def carry_out(action: Callable[[], int | None]) -> int:
    """Do what a command line asks for; the exit code. Faults are told in a line."""
    signal.signal(signal.SIGTERM, end_on_sigterm)
    try:
        return action() or 0
    except FederationError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; what was started is stopped\n")
        return INTERRUPTED
