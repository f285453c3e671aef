"""`python -m federation`: bring a federation up and leave it, see it, and take it down.

python -m federation up [--spec FILE] [--dir DIR] [--fsync]
python -m federation status [--dir DIR]
python -m federation down [--dir DIR]
python -m federation tools [NAME ...]
"""

import argparse
import sys
from pathlib import Path
from typing import Final

from federation.federation import Federation
from federation.person import carry_out, say, tell_how_to_use
from federation.processes import FederationError, leftovers, stop_leftovers
from federation.spec import load_spec
from federation.tools import ROOT, TOOLS, ensure

_SPECS: Final = Path(__file__).parent / "specs"
_DIR: Final = ROOT / ".federation"


def _up(arguments: argparse.Namespace) -> None:
    spec = load_spec(arguments.spec)
    federation = Federation(
        spec, arguments.dir, source=arguments.spec, fsync=arguments.fsync, tied=False, say=say
    )
    federation.up()
    federation.release()
    tell_how_to_use(federation, "make federation-down")


def _status(arguments: argparse.Namespace) -> None:
    running = leftovers(arguments.dir)
    for name, pid in running:
        say(f"{name} ({pid})")
    if not running:
        say("no federation is up")


def _down(arguments: argparse.Namespace) -> None:
    stopped = stop_leftovers(arguments.dir)
    say(f"stopped {', '.join(stopped)}" if stopped else "no federation is up")


def _tools(arguments: argparse.Namespace) -> None:
    unknown = set(arguments.names) - set(TOOLS)
    if unknown:
        raise FederationError(f"no such program: {', '.join(sorted(unknown))}")
    for name, path in ensure(arguments.names or tuple(TOOLS), say).items():
        say(f"{name}: {path}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m federation", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    up = verbs.add_parser("up", help="start one and leave it up")
    up.add_argument("--spec", type=Path, default=_SPECS / "demo.yaml")
    up.add_argument("--fsync", action="store_true", help="have etcd wait for the disk")
    up.set_defaults(run=_up)
    status = verbs.add_parser("status", help="what runs")
    status.set_defaults(run=_status)
    down = verbs.add_parser("down", help="stop it")
    down.set_defaults(run=_down)
    for verb in (up, status, down):
        verb.add_argument("--dir", type=Path, default=_DIR, help="where its files are")
    tools = verbs.add_parser("tools", help="find or build the programs")
    tools.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(TOOLS)}; default: all"
    )
    tools.set_defaults(run=_tools)
    return parser


def main() -> int:
    """Do what the command line says."""
    arguments = _parser().parse_args()
    return carry_out(lambda: arguments.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
