"""The outer layer: who may do what. Whatever is not let in here has no route to run.

The order is that of what gives away least: by which name we are called, on behalf of which page, who asks, what they
may do. Only then does anybody learn whether there is such a route.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from gitruns.protocol.errors import refused
from gitruns.server.auth.doors import Doors, unauthenticated
from gitruns.server.auth.people import Person
from gitruns.server.bodies import Refusal
from gitruns.server.calls import AnyCall, Role
from gitruns.server.hosts import Hosts
from gitruns.server.requests import MAX_TARGET_BYTES, Request
from gitruns.server.settings import ServerSettings

_FORWARDED = (b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: their role and name (None where nobody has to say it), and by which host they call us."""

    role: Role
    person: Person | None
    host: str

    @property
    def only(self) -> frozenset[str] | None:
        """The experiments that they are limited to, None for all."""
        return self.person.experiments if self.person is not None else None


class Admission:
    """Decides on requests."""

    def __init__(self, settings: ServerSettings, doors: Doors) -> None:
        self._settings = settings
        self._doors = doors
        self._hosts = Hosts(settings.allowed_hosts, loopback_only=settings.open_to_all)

    async def caller(self, request: Request) -> Caller:
        """Returns who makes a request; raises `Refusal`."""
        if len(request.raw_path) + len(request.scope["query_string"]) > MAX_TARGET_BYTES:
            raise Refusal(414, "BAD_REQUEST", f"the address is longer than {MAX_TARGET_BYTES:,} bytes")
        doubled = request.doubled_header()
        if doubled is not None:
            raise Refusal(400, "BAD_REQUEST", f"the header '{doubled.decode()}' is there twice")
        host = self._hosts.check(request)
        found = self._doors.at_once(request)
        if isinstance(found, str):
            found = await asyncio.get_running_loop().run_in_executor(None, self._doors.later, found)
        if found is not None:
            return Caller(found.role, found, host)
        return Caller(self._role_of_nobody(request), None, host)

    def _role_of_nobody(self, request: Request) -> Role:
        if not self._settings.open_to_all:
            return Role.ANYONE
        # Only this machine reaches us, but a proxy on it may bring the requests of others.
        return Role.ANYONE if any(name in request.headers for name in _FORWARDED) else Role.ADMIN

    def check_known(self, caller: Caller) -> None:
        """Raises `Refusal` for somebody who has to say first who they are."""
        if caller.role is Role.ANYONE:
            raise unauthenticated("this server needs a token: send it as Bearer token, or as a password")

    def check_role(self, caller: Caller, call: AnyCall) -> None:
        """Raises `Refusal` or `ProtocolError` unless somebody may make a call at all."""
        if call.role is Role.ANYONE:
            return
        self.check_known(caller)
        if self._settings.read_only and call.role > Role.READER:
            raise refused("this server is read-only", "PERMISSION_DENIED")
        if caller.role < call.role:
            needed, given = call.role.name.lower(), caller.role.name.lower()
            raise refused(f"{call.message} needs the role '{needed}', and yours is '{given}'", "PERMISSION_DENIED")
        if caller.only is not None and call.experiment_of is None:
            raise refused(f"{call.message} is not for who is limited to some experiments", "PERMISSION_DENIED")
