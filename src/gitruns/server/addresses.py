"""Addresses of machines as text: what came over IPv6 on behalf of IPv4 is the latter."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def find_address(text: str) -> Address | None:
    """Returns the address that a text is, None for anything else."""
    try:
        address = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


def same_address(one: str, other: str) -> bool:
    """Returns whether two texts are one address."""
    address = find_address(one)
    return address is not None and address == find_address(other)


def is_loopback(host: str) -> bool:
    """Returns whether an address, or the name `localhost`, is this machine's alone."""
    address = find_address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def is_in(text: str, networks: Collection[Network]) -> bool:
    """Returns whether a text is an address in one of these networks."""
    address = find_address(text)
    return address is not None and any(address in network for network in networks)
