"""`python -m demo` plays the demo; `python -m demo stop` ends one that was kept.

KEEP=1 leaves everything up. Whatever else happens, an error or Ctrl-C at any point, what was
started is stopped, by its process id, before this process ends.
"""

import os
import signal
import sys
from contextlib import ExitStack
from typing import Final

from demo.cast import TRAINING
from demo.clusters import FOLDER, Clusters, raise_clusters
from demo.play import Play, stop_kept_operator
from demo.programs import CommandFailedError, Shell
from demo.say import Narrator
from federation.person import INTERRUPTED, end_on_sigterm
from federation.processes import stop_leftovers

_STEPS: Final = 7


def play(*, keep: bool) -> int:
    """Play the demo; the exit code is 0 when everything was as promised."""
    say = Narrator(_STEPS)
    say.plain("Tradewind: many Kubernetes clusters as one computing power network", style="bold")
    with ExitStack() as stack:
        try:
            with say.step("Start four real control planes, simulated nodes and a real Prometheus"):
                clusters = raise_clusters(say, keep=keep)
                stack.callback(clusters.stop)
            _perform(say, clusters, stack)
        except CommandFailedError as error:
            say.plain(f"\nThe demo failed after {say.elapsed_s:.0f} s:", style="bold red")
            say.block(str(error))
            say.plain("Stopping what was started.")
            return 1
        except KeyboardInterrupt:
            say.plain("\nInterrupted; stopping what was started.", style="yellow")
            return INTERRUPTED
        say.plain(
            f"\nEverything was as promised, in {say.elapsed_s:.0f} s: you gave six "
            "workloads to one cluster,\nand each ran where it may, where it fits and where that "
            "costs least, or says why it cannot.",
            style="bold green",
        )
        if keep:
            stack.pop_all()  # from here on it is the reader's to stop
            _tell_how_to_use(say, clusters)
        else:
            say.plain("Stopping everything; KEEP=1 would leave it up.")
    return 0


def _perform(say: Narrator, clusters: Clusters, stack: ExitStack) -> None:
    piece = Play(say, clusters, Shell(clusters.environment, clusters.folder))
    stack.callback(piece.stop_operator)
    try:
        with say.step("Install the kinds and the policies on the hub"):
            piece.install()
        with say.step("Start the operator"):
            piece.start_operator()
        with say.step("Join the members"):
            piece.join()
        with say.step("Apply six workloads"):
            piece.apply()
        with say.step("Watch them until each is as promised"):
            piece.watch()
        with say.step("See what you have now, and why"):
            piece.show()
    except CommandFailedError:
        if piece.operator is not None:
            say.plain(f"\nThe operator's last words, of {piece.operator.log}:", style="bold")
            say.block(piece.operator.tail())
        raise


def _tell_how_to_use(say: Narrator, clusters: Clusters) -> None:
    environment = clusters.environment
    programs = environment["PATH"].split(os.pathsep)[0]
    say.plain("\nIt is still up. Paste these two lines into your shell:", style="bold")
    say.plain(f"  export PATH={programs}:$PATH")
    say.plain(f"  export KUBECONFIG={environment['KUBECONFIG']}")
    say.plain("and look around:", style="bold")
    for command in (
        "kubectl get sites,aiw -A",
        "kubectl tradewind workloads -A --watch",
        f"kubectl tradewind explain {TRAINING}",
        'kubectl patch aiw -n research next-quarter --type merge -p \'{"spec":{"suspend":false}}\'',
    ):
        say.plain(f"  {command}")
    say.plain("To stop it:", style="bold")
    say.plain("  make demo-stop")


def stop() -> int:
    """Stop a demo that was kept: the operator first, then the clusters."""
    stop_kept_operator(FOLDER)
    stopped = stop_leftovers(FOLDER)
    sys.stdout.write("the demo is stopped\n" if stopped else "no demo is up\n")
    return 0


def main() -> int:
    """Play, or stop."""
    signal.signal(signal.SIGTERM, end_on_sigterm)
    match sys.argv[1:]:
        case []:
            return play(keep=os.environ.get("KEEP", "") not in ("", "0"))
        case ["stop"]:
            return stop()
        case _:
            sys.stderr.write("usage: python -m demo [stop]; KEEP=1 leaves it up\n")
            return 2


if __name__ == "__main__":
    sys.exit(main())
