"""One worker: its application, put together from the settings in the worker's own process."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import signal
import sys
import threading
import time

from gitruns.protocol.hub import Hub, serving_hub
from gitruns.server.access_log import AccessLog
from gitruns.server.app import App
from gitruns.server.auth.doors import Doors
from gitruns.server.auth.oidc import OidcChecker
from gitruns.server.auth.proxy import TrustedProxy
from gitruns.server.auth.tokens import TokenChecker
from gitruns.server.numbers import Numbers
from gitruns.server.routes import all_calls
from gitruns.server.routes.service import metrics_call
from gitruns.server.settings import ServerSettings
from gitruns.tracking.session import Session

_MOST_FILES = 1 << 16

ARTIFACT_ROOT = "mlflow-artifacts:"
"""What addresses of artifacts begin with: MLflow's clients then ask the server that they log to."""


def make_app(settings: ServerSettings) -> App:
    """Returns the application; the repository is opened when it starts."""
    _set_up_logging()
    numbers = Numbers(settings.numbers)
    doors = Doors(
        TokenChecker(settings.token_file) if settings.token_file is not None else None,
        TrustedProxy(settings.proxy.header, settings.proxy.addresses, settings.proxy.role) if settings.proxy else None,
        OidcChecker(settings.oidc).find if settings.oidc is not None else None,
    )

    def begin() -> Hub:
        _allow_many_files()
        if settings.workers > 1:
            _end_with_parent()
        return serving_hub(Session.open(settings.repo), ARTIFACT_ROOT)

    return App(
        settings,
        (*all_calls(), metrics_call(numbers)),
        doors,
        begin,
        numbers=numbers,
        access_log=AccessLog.open(settings.access_log) if settings.access_log else None,
    )


def _set_up_logging() -> None:
    """Faults go to stderr, a server's log; what uvicorn says of connections that break is no fault."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for name, level in (("gitruns.server", logging.INFO), ("uvicorn.error", logging.ERROR)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level)


def _allow_many_files() -> None:
    """Raises the limit of open files as far as we may: each connection is one, and so is each run that is logged."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, _MOST_FILES) if hard > 0 else _MOST_FILES, hard))


def _end_with_parent() -> None:
    """Has this worker end in order when the process that started it is killed: nobody else would ever end it."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="gitruns-parent", daemon=True).start()
