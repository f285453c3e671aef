"""May a user send us to that address? The operator reaches what its users may not."""

import ipaddress
import socket
from collections.abc import Collection
from typing import Final, NoReturn
from urllib.parse import urlsplit

from tradewind.base.errors import AccessRefusedError

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
#: IPv4 addresses in IPv6 ones, RFC 6052.
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


def check_host(
    url: str, *, where: str, allow_loopback: bool, schemes: Collection[str] = ("https",)
) -> None:
    """Refuse a URL that is malformed, of another scheme, or that points where only we can reach.

    Names are not resolved: what a name resolves to may change after the check. A network policy on
    the operator's pod is the answer to names that point inside.

    Args:
        url: from a user.
        where: the field it stands in, for the error.
        allow_loopback: let it be on this machine.
        schemes: those that will do.

    Raises:
        AccessRefusedError: with reason PlainHTTP, MalformedURL or AddressRefused.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        _refuse(where, "MalformedURL", "is no URL", "write https://host:port")
    if parts.scheme not in schemes:
        _refuse(where, "PlainHTTP", f"is not {' or '.join(schemes)}", "serve it over https")
    if parts.username or parts.password or parts.query or parts.fragment or not host:
        _refuse(
            where,
            "MalformedURL",
            "has more in it than host, port and path",
            "credentials belong into a Secret",
        )
    if _is_private_to_us(host, allow_loopback=allow_loopback):
        _refuse(
            where,
            "AddressRefused",
            "is a loopback, link-local or unspecified address",
            "use its own address; TRADEWIND_SITES__ALLOW_LOOPBACK=true lets a federation on one "
            "machine use loopback",
        )


def _is_private_to_us(host: str, *, allow_loopback: bool) -> bool:
    host = host.rstrip(".")
    address = _address(host)
    if address is None:
        return (host == "localhost" or host.endswith(".localhost")) and not allow_loopback
    if address.is_loopback:
        return not allow_loopback
    return address.is_link_local or address.is_multicast or address.is_unspecified


def _address(host: str) -> _Address | None:
    """The address that a connection would go to, however it is written; None for a name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:
            # `127.1`, `0x7f000001` and `2130706433` are addresses for the C library.
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(address.packed[-4:])
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _refuse(where: str, reason: str, what: str, mend: str) -> NoReturn:
    raise AccessRefusedError(f"{where} {what}", reason=reason, hint=mend)
