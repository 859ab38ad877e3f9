"""Which texts are the same address, and which are this machine's alone."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from gitruns.server.addresses import is_in, is_loopback, same_address
from gitruns.server.reach import only_this_machine
from gitruns.server.settings import OidcSettings, ProxySettings, ServerSettings


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "::ffff:127.0.0.1"])
def test_what_is_this_machines_alone(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["", "0.0.0.0", "::", "10.0.0.1", "localhost.example.org", "127.0.0.1.nip.io", "::ffff:10.0.0.1", "0x7f.1"],  # noqa: S104
)
def test_what_is_not(host: str) -> None:
    assert not is_loopback(host)


def test_one_address_in_two_writings() -> None:
    assert same_address("10.0.0.1", "::ffff:10.0.0.1")
    assert same_address("[2001:db8::1]", "2001:0db8:0:0::1")
    assert not same_address("10.0.0.1", "10.0.0.2")
    assert not same_address("example.org", "example.org")
    networks = [ipaddress.ip_network("10.0.0.0/24")]
    assert is_in("::ffff:10.0.0.7", networks)
    assert not is_in("10.0.1.7", networks)
    assert not is_in("", networks)


@pytest.mark.parametrize(
    ("settings", "open_to_all"),
    [
        ({}, True),
        ({"host": "::1"}, True),
        ({"host": "10.0.0.1", "unix_socket": Path("s")}, True),
        ({"allowed_hosts": ("localhost",)}, True),
        ({"host": "0.0.0.0"}, False),  # noqa: S104
        ({"allowed_hosts": ("runs.example.org",)}, False),
        ({"proxy": ProxySettings(header="X-User", addresses=("127.0.0.1",))}, False),
        ({"oidc": OidcSettings(issuer="https://login.example.org", audience="a")}, False),
    ],
)
def test_a_server_is_open_only_where_nobody_else_can_come(settings: dict[str, object], open_to_all: bool) -> None:
    assert only_this_machine(ServerSettings(repo=Path(), **settings)) is open_to_all  # type: ignore[arg-type]
