"""Addresses of servers: what is one, which are of this machine, which go by a proxy."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Mapping

_URL = re.compile(r"(https?|grpcs?|tcp)://+", re.IGNORECASE)
_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
"""Variables that gRPC looks at, in its order."""
_NO_PROXIES = ("no_grpc_proxy", "no_proxy")
_HOST_SCHEMES = ("dns:", "ipv4:", "ipv6:")
_OTHERS = re.compile("(unix|unix-abstract|vsock|xds|google-c2p|passthrough):")
"""Schemes of gRPC whose targets are no hosts."""
_EXAMPLE = "TensorFlow Serving's gRPC port is 8500: localhost:8500"
_MAX_PORT = 65535


def check_address(address: object) -> str:
    """Returns the address of a server.

    Args:
        address: HOST:PORT, or a target of another scheme that gRPC knows.

    Raises:
        ValueError: no text, a URL, no port, or a port that cannot be.
    """
    if not isinstance(address, str):
        raise _wrong(address, f"; {_EXAMPLE}")
    if url := _URL.match(address):
        raise _wrong(
            address,
            f"; leave out {url.group()!r} (certificates are given as credentials), and "
            "name the gRPC port, not that of REST",
        )
    if not address:
        raise _wrong(address, f"; {_EXAMPLE}")
    if not address.isprintable() or " " in address:
        raise _wrong(address, f"; write it without blanks; {_EXAMPLE}")
    hosts = _hosts(address)
    if hosts is None:
        return address
    for host in hosts:
        _, port = _split(host)
        if (
            not (port.isascii() and port.isdecimal())
            or not 0 < int(port[:6]) <= _MAX_PORT
        ):
            raise _wrong(address, _why(host))
    return address


def _wrong(address: object, more: str) -> ValueError:
    return ValueError(f"address: expected HOST:PORT, got {address!r}{more}")


def _why(host: str) -> str:
    if "/" in host:
        return "; leave out what comes behind the port"
    if host.count(":") > 1 and "[" not in host:
        return "; write an IPv6 address in brackets, as [::1]:8500"
    if ":" not in host.rpartition("]")[2]:
        return f"; name the port too; {_EXAMPLE}"
    return f"; a port is a number of 1..{_MAX_PORT}"


def _hosts(address: str) -> list[str] | None:
    """Returns HOST:PORT of each host; None for targets that name none (`unix:`)."""
    for scheme in _HOST_SCHEMES:
        if address.lower().startswith(scheme):
            rest = address[len(scheme) :]
            if rest.startswith("//"):  # an authority, then the path
                rest = rest[2:].partition("/")[2]
            return rest.lstrip("/").split(",")
    return None if _OTHERS.match(address) else [address]


def _split(host: str) -> tuple[str, str]:
    """Returns the host without brackets, and the port, "" if there is none."""
    if host.startswith("["):
        name, _, port = host[1:].partition("]")
        return name, port.removeprefix(":") if port.startswith(":") else ""
    name, _, port = host.rpartition(":")
    return (name, port) if name and ":" not in name else (host, "")


def is_loopback(address: str) -> bool:
    """Says whether an address is one of this machine in any of its forms."""
    hosts = _hosts(address)
    return bool(hosts) and all(_is_local(_split(host)[0]) for host in hosts or ())


def _is_local(name: str) -> bool:
    plain = name.lower().rstrip(".").partition("%")[0]
    if plain in ("localhost", "ip6-localhost", "ip6-loopback"):
        return True
    if plain.endswith(".localhost"):
        return True
    try:
        number = ipaddress.ip_address(plain)
    except ValueError:
        try:  # the short forms that names are resolved from: 127.1
            number = ipaddress.ip_address(socket.inet_ntoa(socket.inet_aton(plain)))
        except (OSError, UnicodeError):
            return False
    mapped = getattr(number, "ipv4_mapped", None) or number
    return bool(mapped.is_loopback or mapped.is_unspecified)


def proxy_variable(address: str, environ: Mapping[str, str] = os.environ) -> str:
    """Returns the variable whose proxy gRPC asks for an address, "" for none."""
    hosts = _hosts(address)
    if not hosts or is_loopback(address):
        return ""
    variable = next((name for name in _PROXIES if environ.get(name)), "")
    excepted = next((environ[name] for name in _NO_PROXIES if environ.get(name)), "")
    suffixes = [part.strip() for part in excepted.split(",") if part.strip()]
    name = _split(hosts[0])[0]
    return "" if any(name.endswith(suffix) for suffix in suffixes) else variable


def proxy_hint(address: str) -> str:
    """Returns what an error says of a proxy in the way, "" where there is none."""
    variable = proxy_variable(address)
    if not variable:
        return ""
    name = _split((_hosts(address) or [""])[0])[0]
    return (
        f"; the proxy of the environment variable {variable} was asked for it: if it "
        f"is not meant for this server, set no_proxy={name}"
    )
