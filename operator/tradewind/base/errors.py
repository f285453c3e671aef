"""Which errors there are, and what each tells its reader.

    TradewindError
    ├── ConfigurationError      the operator's own settings or command line
    ├── InputFileError          a file of the simulator's that cannot be read
    ├── QuantityError           a number with a unit that cannot be read
    ├── TemplateRefusedError    a user's template that may not or cannot run
    ├── AccessRefusedError      credentials or an address that are not safe to use
    ├── ForeignObjectError      an object stands in the way that we did not make
    ├── ApiError                an API server answered, and said no
    └── SiteUnreachableError    no answer, or none that makes sense

A refusal to place is a value (`placement.plan.Refusal`), never an exception. An error has a stable
code for programs, a message that names the object and the field, and a hint that names the mend.
"""

from http import HTTPStatus
from typing import Any, ClassVar

_PATIENCE = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS)


class TradewindError(Exception):
    """The root of all errors of ours.

    Args:
        message: what happened, naming the object and the field; never a secret.
        hint: what mends it.
        fields: facts for logs and programs.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "", **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.fields = fields

    def __str__(self) -> str:
        text = f"{self.code}: {self.message}"
        return f"{text}\nhint: {self.hint}" if self.hint else text

    @property
    def sentence(self) -> str:
        """Message and mend in one line, for conditions and tables that show the code apart."""
        return f"{self.message}; {self.hint}" if self.hint else self.message


class ConfigurationError(TradewindError):
    """The operator or the command line was told something that it cannot do."""

    code = "configuration"


class InputFileError(TradewindError):
    """A trace, series or scenario that cannot be read; the message names file, line and column."""

    code = "input-file"


class QuantityError(TradewindError):
    """A quantity, duration or percentage that cannot be read."""

    code = "quantity"


class TemplateRefusedError(TradewindError):
    """A template holds what may not run at a site, or what cannot be translated for it."""

    code = "template-refused"


class AccessRefusedError(TradewindError):
    """A kubeconfig, certificate or address that is not safe to use.

    Args:
        message: names the field, never its value.
        reason: PascalCase, for a condition.
        hint: what mends it.
    """

    code = "access-refused"

    def __init__(self, message: str, *, reason: str, hint: str = "", **fields: Any) -> None:
        super().__init__(message, hint=hint, **fields)
        self.reason = reason


class ForeignObjectError(TradewindError):
    """An object of that name exists that Tradewind did not make; it is left alone."""

    code = "foreign-object"


class ApiError(TradewindError):
    """An API server's answer of 400 or more.

    Args:
        status: the HTTP status.
        reason: the `reason` of the Status object, such as `NotFound`; may be empty.
        message: the Status object's own message.
        retry_after_s: what the server asked for, seconds.
    """

    code = "api"

    def __init__(
        self, status: int, reason: str, message: str, *, retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s

    @property
    def conflict(self) -> bool:
        """Somebody else wrote first, or holds the field."""
        return self.status == HTTPStatus.CONFLICT

    @property
    def not_found(self) -> bool:
        """No such object, or no such kind."""
        return self.status == HTTPStatus.NOT_FOUND

    @property
    def gone(self) -> bool:
        """The resource version is too old: list again."""
        return self.status == HTTPStatus.GONE

    @property
    def throttled(self) -> bool:
        """The server asks for patience."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS

    @property
    def transient(self) -> bool:
        """Worth another try without a change of what was sent."""
        return self.status in _PATIENCE or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


class SiteUnreachableError(TradewindError):
    """A cluster gave no answer, or one that is not an API server's."""

    code = "site-unreachable"
    retryable = True
