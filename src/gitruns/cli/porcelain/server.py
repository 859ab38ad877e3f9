"""`git runs server`"""

from __future__ import annotations

from gitruns.cli.commands import group
from gitruns.cli.serving.start import start_command
from gitruns.cli.serving.tokens import token


@group("server", default="start", examples=["git runs server", "git runs server token create --role writer"])
def server() -> None:
    """Serve runs over HTTP: MLflow's protocol, for clients in any language

    `git runs server` starts it on this machine, for nobody else: `git runs server start -h` has the options, and they
    may stand right behind `git runs server`. Others need tokens.
    """


server.add_command(start_command("start", "Serve runs over HTTP until Ctrl+C"))
server.add_command(token)

COMMAND = server
