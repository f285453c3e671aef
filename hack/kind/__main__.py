"""`python -m kind`: the local federation on kind, for machines where Docker runs.

python -m kind up [--spec FILE] [--dir DIR]
python -m kind status
python -m kind down [--dir DIR]
"""

import argparse
import sys
from pathlib import Path
from typing import Final

from federation.person import carry_out, say, tell_how_to_use
from federation.processes import stop_leftovers
from federation.spec import load_spec
from federation.tools import ROOT
from kind.clusters import PREFIX, KindFederation, delete, present

_SPEC: Final = ROOT / "hack" / "federation" / "specs" / "demo.yaml"
_DIR: Final = ROOT / ".federation-kind"


def _up(arguments: argparse.Namespace) -> None:
    federation = KindFederation(
        load_spec(arguments.spec), arguments.dir, source=arguments.spec, tied=False, say=say
    )
    federation.up()
    federation.release()
    tell_how_to_use(federation, "make kind-down")


def _status(arguments: argparse.Namespace) -> None:
    del arguments
    names = present()
    for name in names:
        say(f"{PREFIX}{name}")
    if not names:
        say("no federation is on kind")


def _down(arguments: argparse.Namespace) -> None:
    stopped = stop_leftovers(arguments.dir)
    names = present()
    delete(names)
    gone = [*stopped, *(f"{PREFIX}{name}" for name in names)]
    say(f"stopped {', '.join(gone)}" if gone else "no federation is on kind")


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m kind", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for name, run, told in (
        ("up", _up, "make the clusters and leave them up"),
        ("status", _status, "which clusters there are"),
        ("down", _down, "delete them"),
    ):
        verb = verbs.add_parser(name, help=told)
        verb.add_argument("--dir", type=Path, default=_DIR, help="where its files are")
        verb.set_defaults(run=run)
        if name == "up":
            verb.add_argument("--spec", type=Path, default=_SPEC)
    arguments = parser.parse_args()
    return carry_out(lambda: arguments.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
