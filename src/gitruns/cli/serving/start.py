"""`git runs server start`, which `git runs server` and `git runs ui` mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.cells import printable
from gitruns.cli.commands import WRITING, RunsCommand, command
from gitruns.errors import InvalidInputError

if TYPE_CHECKING:
    import socket

    from gitruns.server.settings import ServerSettings

F = TypeVar("F", bound=Callable[..., Any])
_ROLES = click.Choice(["reader", "writer", "admin"])

_OPTIONS = (
    click.option("--host", default="127.0.0.1", metavar="ADDRESS", help="Serve on this address; 127.0.0.1."),
    click.option("--port", type=click.IntRange(0, 65535), default=5000, help="Serve on this port; 5000. 0: any free."),
    click.option("--unix-socket", type=click.Path(path_type=Path), metavar="FILE", help="Serve on a unix socket."),
    click.option("--base-path", default="", metavar="PATH", help="Serve below a path, as a proxy passes it on."),
    click.option("--workers", type=click.IntRange(1, 64), default=1, help="Serve with so many processes; 1."),
    click.option("--read-only", is_flag=True, help="Change nothing, whoever asks."),
    click.option("--allowed-host", multiple=True, metavar="NAME", help="A name that clients call us by; repeat it."),
    click.option("--require-token", is_flag=True, help="Let nobody in without a token, not even from this machine."),
    click.option("--token-file", type=click.Path(path_type=Path), metavar="FILE", help="Where tokens are kept."),
    click.option("--proxy-header", metavar="NAME", help="The header in which a trusted proxy says who calls."),
    click.option("--trusted-proxy", multiple=True, metavar="ADDRESS", help="A proxy's address or network, or unix."),
    click.option("--proxy-role", type=_ROLES, default="writer", help="What people named by the proxy may do; writer."),
    click.option("--oidc-issuer", metavar="URL", help="The OpenID provider whose signed tokens count."),
    click.option("--oidc-audience", metavar="NAME", help="For whom its tokens must be made out."),
    click.option("--oidc-role-claim", default="gitruns_role", metavar="CLAIM", help="Its claim for the role."),
    click.option("--oidc-role", type=_ROLES, default="reader", help="The role without that claim; reader."),
    click.option("--max-artifact-mib", type=click.IntRange(1), metavar="N", help="Refuse artifacts larger than N MiB."),
    click.option("--access-log", default="-", metavar="FILE", help="Write a line for each request; - is stderr."),
    click.option("--no-access-log", is_flag=True, help="Write no such lines."),
    click.option("--check", is_flag=True, help="Only say where it would serve and whom it would let in."),
)


def _options(function: F) -> F:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def start_command(name: str, summary: str) -> RunsCommand:
    """Returns the command that serves, under a name."""
    called = "git runs server" if name == "start" else f"git runs {name}"

    @command(name, exits=WRITING, examples=[called, f"{called} --port 8080 --read-only"], help=summary + _MORE)
    @_options
    @pass_app
    def start(app: App, /, check: bool, **options: Any) -> None:
        from gitruns.server.serve import check_extra

        app.open_repo()
        check_extra()
        settings = _settings(app, options)
        _serve(app, settings, check=check)

    return start


_MORE = """

MLflow's clients, in any language, log to it with MLFLOW_TRACKING_URI=http://127.0.0.1:5000. On this machine nobody
needs a token. To serve others, make one first: git runs server token create. Ctrl+C ends it; runs that are being logged
stay open, and go on when it is back.
"""


def _settings(app: App, options: dict[str, Any]) -> ServerSettings:
    from dataclasses import replace

    from gitruns.server.auth.token_file import default_token_file
    from gitruns.server.reach import check_reach, only_this_machine
    from gitruns.server.settings import ServerSettings

    paths = app.open_repo().store.paths
    settings = ServerSettings(
        repo=(paths.work_tree or paths.git_dir).resolve(),
        host=options["host"],
        port=options["port"],
        unix_socket=options["unix_socket"],
        base_path=_base_path(options["base_path"]),
        workers=options["workers"],
        read_only=options["read_only"],
        allowed_hosts=tuple(name.lower() for name in options["allowed_host"]),
        token_file=(options["token_file"] or default_token_file(paths.common_dir, app.environ)).absolute(),
        proxy=_proxy(options),
        oidc=_oidc(options),
        access_log=None if options["no_access_log"] else options["access_log"],
        max_artifact_bytes=options["max_artifact_mib"] and options["max_artifact_mib"] << 20,
    )
    settings = replace(settings, open_to_all=not options["require_token"] and only_this_machine(settings))
    check_reach(settings)
    return settings


def _base_path(text: str) -> str:
    path = "/" + text.strip("/") if text.strip("/") else ""
    if any(part in ("", ".", "..") for part in path.split("/")[1:]) or not (path.isascii() and path.isprintable()):
        raise InvalidInputError(f"'{text}' is no path to serve below", hint="as in --base-path /runs")
    return path


def _proxy(options: dict[str, Any]) -> Any:
    from gitruns.server.auth.proxy import UNIX, parse_network
    from gitruns.server.calls import Role
    from gitruns.server.settings import ProxySettings

    header, addresses = options["proxy_header"], tuple(options["trusted_proxy"])
    if not header and not addresses:
        return None
    if not header or not addresses:
        raise click.UsageError("--proxy-header and --trusted-proxy go together")
    if not all(sign.isalnum() or sign == "-" for sign in header) or not header.isascii():
        raise InvalidInputError(f"'{header}' is no name of a header", hint="as in --proxy-header X-Forwarded-User")
    for address in addresses:
        if address != UNIX:
            parse_network(address)
    return ProxySettings(header=header, addresses=addresses, role=Role[options["proxy_role"].upper()])


def _oidc(options: dict[str, Any]) -> Any:
    from gitruns.server.calls import Role
    from gitruns.server.settings import OidcSettings

    issuer, audience = options["oidc_issuer"], options["oidc_audience"]
    if not issuer and not audience:
        return None
    if not issuer or not audience:
        raise click.UsageError("--oidc-issuer and --oidc-audience go together")
    from gitruns.server.auth.oidc import check_issuer

    check_issuer(issuer)
    role = Role[options["oidc_role"].upper()]
    return OidcSettings(issuer=issuer, audience=audience, role_claim=options["oidc_role_claim"], role=role)


def _serve(app: App, settings: ServerSettings, *, check: bool) -> None:
    from gitruns.server.listening import listen
    from gitruns.server.serve import serve

    sock = listen(settings)
    app.out.talk(f"serving '{printable(str(settings.repo))}' at {address_of(settings, sock)}  {_who(settings)}")
    if check:
        sock.close()
        if settings.unix_socket is not None:
            settings.unix_socket.unlink(missing_ok=True)
        return
    if settings.unix_socket is None:
        app.out.talk(f"log to it with: export MLFLOW_TRACKING_URI={address_of(settings, sock)}")
    serve(settings, sock)


def address_of(settings: ServerSettings, sock: socket.socket) -> str:
    """Returns where a server can be reached, as a client is told."""
    if settings.unix_socket is not None:
        return f"unix:{settings.unix_socket}{settings.base_path}"
    host = f"[{settings.host}]" if ":" in settings.host and not settings.host.startswith("[") else settings.host
    return f"http://{host}:{sock.getsockname()[1]}{settings.base_path}"


def _who(settings: ServerSettings) -> str:
    if settings.open_to_all:
        who = "(this machine only, no token needed"
    else:
        ways = ["tokens"] + ["the proxy's word"] * bool(settings.proxy) + ["signed tokens"] * bool(settings.oidc)
        who = f"(for who has a token: {', '.join(ways)}" if len(ways) > 1 else "(for who has a token"
    return who + (", read-only)" if settings.read_only else ")")
