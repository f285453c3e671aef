"""Why a connection failed, in a few words; urllib3 tells it in a sentence about its own classes."""

import http.client
import socket
import ssl

import requests


def plain(error: requests.RequestException) -> str:
    """What was at the bottom of it, for a condition's message; names no address."""
    root = _root(error)
    match root:
        case socket.gaierror():
            return f"its name cannot be resolved ({root.strerror})"
        case ssl.SSLCertVerificationError():
            return f"its TLS certificate is not trusted ({root.verify_message})"
        case ssl.SSLError():
            return f"TLS failed ({root.reason or root.strerror or root})"
        case http.client.RemoteDisconnected() | ConnectionResetError() | BrokenPipeError():
            return "it closed the connection without an answer"
        case OSError() if root.strerror:
            return root.strerror[0].lower() + root.strerror[1:]
    return str(root) or type(root).__name__


def _root(error: BaseException) -> BaseException:
    """The first fault: what it was raised from, or what it carries."""
    for _ in range(16):  # no chain is that long, and one that bites its tail ends
        carried = [getattr(error, "reason", None), *error.args]
        inner = next((one for one in carried if isinstance(one, BaseException)), None)
        deeper = error.__cause__ or inner
        if deeper is None:
            break
        error = deeper
    return error
