"""What the commands have to do with a person: telling, and being told to stop."""

import sys
from types import FrameType
from typing import NoReturn

from federation.federation import Federation


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
