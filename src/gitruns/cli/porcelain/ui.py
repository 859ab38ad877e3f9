"""`git runs ui`"""

from __future__ import annotations

from gitruns.cli.serving.start import start_command

COMMAND = start_command("ui", "Serve runs over HTTP: another name of `git runs server`")
