"""What every command may be asked: which hub, which namespace, which form of answer.

The same flags are taken before and after the command's name, as people who use kubectl type them;
after it wins. A command declares with `@asks` which of them mean something to it.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, Final

import typer


class Output(StrEnum):
    """Forms of an answer."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"

    @property
    def structured(self) -> bool:
        """For programs: nothing else may stand on standard output."""
        return self in (Output.JSON, Output.YAML)


@dataclass(frozen=True, slots=True)
class Ask:
    """The shared flags of one call; None where a flag was not given."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None
    all_namespaces: bool | None = None
    output: Output | None = None

    def over(self, other: "Ask") -> "Ask":
        """These flags, and the other's where these are silent."""
        silent = {f.name: getattr(other, f.name) for f in fields(self) if self.silent(f.name)}
        return replace(self, **silent)

    def silent(self, name: str) -> bool:
        """True if the flag was not given."""
        return getattr(self, name) is None

    @property
    def form(self) -> Output:
        """The form of the answer."""
        return self.output or Output.TABLE


KubeconfigFlag = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Kubeconfig of the hub, instead of KUBECONFIG's."),
]
ContextFlag = Annotated[
    str | None, typer.Option(metavar="NAME", help="Context of that kubeconfig.")
]
NamespaceFlag = Annotated[
    str | None,
    typer.Option("--namespace", "-n", metavar="NAME", help="Namespace, instead of the context's."),
]
AllNamespacesFlag = Annotated[
    bool | None,
    typer.Option("--all-namespaces", "-A", help="Look in every namespace.", show_default=False),
]
OutputFlag = Annotated[
    Output | None, typer.Option("--output", "-o", metavar="FORM", help="table|wide|json|yaml")
]

_HUB: Final = {"kubeconfig": KubeconfigFlag, "context": ContextFlag}
_NAMESPACE: Final = {"namespace": NamespaceFlag}
_NAMESPACES: Final = {"all_namespaces": AllNamespacesFlag}
_OUTPUT: Final = {"output": OutputFlag}


def asks(
    *, hub: bool = True, namespace: bool = False, namespaces: bool = False, output: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the shared flags that it honours, gathered in its first argument, an `Ask`.

    Args:
        hub: --kubeconfig and --context.
        namespace: -n.
        namespaces: -n and -A.
        output: -o.
    """
    flags: dict[str, Any] = {}
    for wanted, group in (
        (hub, _HUB),
        (namespace or namespaces, _NAMESPACE),
        (namespaces, _NAMESPACES),
        (output, _OUTPUT),
    ):
        flags |= group if wanted else {}

    def adorn(command: Callable[..., None]) -> Callable[..., None]:
        own = list(signature(command).parameters.values())[1:]
        shared = [
            Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            for name, annotation in flags.items()
        ]

        @wraps(command)
        def run(ctx: typer.Context, **given: Any) -> None:
            ask = Ask(**{name: given.pop(name) for name in flags})
            command(ask.over(ctx.obj if isinstance(ctx.obj, Ask) else Ask()), **given)

        # Typer reads a command's flags from its signature and its annotations.
        first = Parameter("ctx", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
        positional = [p for p in own if p.kind is not Parameter.KEYWORD_ONLY]
        named = [p for p in own if p.kind is Parameter.KEYWORD_ONLY]
        parameters = [first, *positional, *named, *shared]
        run.__signature__ = signature(command).replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
        return run

    return adorn
