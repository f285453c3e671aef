"""Where an answer goes: tables and documents to standard output, everything else to standard error.

So that `-o json` is JSON and nothing else, and a table can be piped while its notes stay readable.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from tradewind.cli.ask import Output
from tradewind.cli.view import Cell, Table


def document(value: Mapping[str, Any], form: Output, stream: TextIO | None = None) -> None:
    """Write one document for programs."""
    stream = stream or sys.stdout
    if form is Output.JSON:
        stream.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
    else:
        stream.write(as_yaml(value))


def documents(values: Sequence[Mapping[str, Any]]) -> str:
    """Several objects as one YAML stream, as `kubectl apply -f -` takes it."""
    return "---\n".join(as_yaml(value) for value in values)


def as_yaml(value: Mapping[str, Any]) -> str:
    """YAML in the order of the object's own keys."""
    import yaml  # 15 ms that a table does not need

    text: str = yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True, width=100)
    return text


def table(shown: Table, form: Output, stream: TextIO | None = None) -> None:
    """Write a table: in colour on a terminal, as plain columns otherwise."""
    wide = form is Output.WIDE
    lines(shown.styled(wide=wide), stream)


def lines(cells: Sequence[Sequence[Cell]], stream: TextIO | None = None) -> None:
    """Write lines of cells; colours only on a terminal, and not where NO_COLOR is set."""
    stream = stream or sys.stdout
    if not stream.isatty():
        stream.writelines("".join(cell.text for cell in line).rstrip() + "\n" for line in cells)
        return
    from rich.console import Console  # only a terminal pays for it
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    for line in cells:
        text = Text.assemble(*((cell.text, str(cell.tone)) for cell in line))
        text.rstrip()
        console.print(text, soft_wrap=True)


def note(text: str) -> None:
    """A remark for the reader, on standard error."""
    sys.stderr.write(text + "\n")


def object_list(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Objects as kubectl's own list document."""
    return {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": list(items)}
