"""What the operator says of itself: structured logs and the metric registry.

Events are constant past-tense phrases, facts are keys, and a filter blots out what looks like a
secret, whatever key it stands under: a leak in a message is a leak for ever.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog
from prometheus_client import CollectorRegistry

#: Tradewind's own metrics; one registry, so that tests and embedders see no globals of others.
REGISTRY = CollectorRegistry(auto_describe=True)

# Bearer tokens and JWTs, PEM keys, credentials inside URLs, and key=value pairs that name secrets.
_SECRETS = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|(?i:\bbearer\s+)[\w.~+/=-]{8,}"
    r"|(?i:\b(?:token|password|client-key-data|client-certificate-data)\b\"?\s*[:=]\s*)\S{6,}",
    re.DOTALL,
)


def redact(text: str) -> str:
    """Blot out whatever looks like a credential.

    >>> redact("GET https://user:secret@host/ failed")
    'GET https://[redacted]@host/ failed'
    """
    return _SECRETS.sub("[redacted]", text)


def _redact_event(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str) and len(value) > 7:  # noqa: PLR2004 - no secret is shorter
            event[key] = redact(value)
    return event


def configure_logging(
    level: str = "INFO", style: Literal["json", "text"] = "json", stream: Any = None
) -> None:
    """Set up structlog, and the standard library's logs (Kopf, aiohttp) through the same filter.

    Args:
        level: the least level written, by its standard name.
        style: `json` for collectors, `text` for people.
        stream: where to; standard error by default.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    stream = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    render: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(number, logging.WARNING))


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger bound to the module's name."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(module=name)
    return logger
