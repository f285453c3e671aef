"""Objects in files, as kubectl takes them: YAML or JSON, several in one, lists, standard input."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from tradewind.base.errors import ConfigurationError

Object = dict[str, Any]

#: Stands for standard input.
STDIN: Final = Path("-")


def read_documents(paths: Sequence[Path]) -> list[Object]:
    """Every object of some files, in their order.

    Raises:
        ConfigurationError: a file cannot be read, or holds what is no object; says where.
    """
    return [item for path in paths for item in _items(path)]


def _items(path: Path) -> Iterator[Object]:
    try:
        text = sys.stdin.read() if path == STDIN else path.read_text(encoding="utf-8")
        documents = list(yaml.safe_load_all(text))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{_name(path)}: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(
            f"{_name(path)} is no YAML: {error}", hint="see the line and column above"
        ) from error
    for number, document in enumerate(documents, start=1):
        if document is not None:
            yield from _flat(document, f"{_name(path)}, document {number}")


def _flat(document: Any, where: str) -> Iterator[Object]:
    if isinstance(document, dict) and document.get("kind") == "List":
        for item in document.get("items") or ():
            yield from _flat(item, where)
        return
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if not isinstance(metadata, dict) or not (metadata.get("name") and document.get("kind")):
        raise ConfigurationError(
            f"{where} is no Kubernetes object",
            hint="it needs apiVersion, kind and metadata.name",
        )
    yield document


def _name(path: Path) -> str:
    return "standard input" if path == STDIN else str(path)
