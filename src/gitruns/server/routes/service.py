"""What clients, load balancers and monitors ask of a server itself."""

from __future__ import annotations

from importlib.metadata import version

from gitruns.server.calls import AT_ROOT, Answer, Call, Context, Fields, Role
from gitruns.server.numbers import Numbers

OURS = version("gitruns")
SPEAKS = "3.5.0"
"""The version of MLflow whose server we answer as: its clients ask for it before they send spans over OTLP."""


def _health(context: Context, fields: Fields) -> Answer:
    return Answer(b"OK", content_type="text/plain; charset=utf-8")


def _welcome(context: Context, fields: Fields) -> Answer:
    """What somebody sees who opens the address in a browser; MLflow's client prints such addresses after each run."""
    text = (
        f"gitruns {OURS} is here, and speaks MLflow's protocol: MLFLOW_TRACKING_URI={context.base_url}\n\n"
        f"Its own API is described at {context.base_url}/api/gitruns/v1/openapi.json\n"
        "There is no page to look at runs yet. In the repository: git runs list, or with MLflow installed\n"
        "mlflow server --backend-store-uri gitruns:\n"
    )
    return Answer(text.encode(), content_type="text/plain; charset=utf-8")


def _version(context: Context, fields: Fields) -> Answer:
    return Answer(SPEAKS.encode(), content_type="text/plain; charset=utf-8")


def _server_info(context: Context, fields: Fields) -> dict[str, object]:
    """The facts that MLflow's clients ask for before they log in; ours are added, and nothing that is anybody's own."""
    return {
        "store_type": None,
        "workspaces_enabled": False,
        "trace_archival_enabled": False,
        "multipart_uploads_enabled": True,
        "multipart_downloads_enabled": False,
        "presigned_upload_run_id_supported": False,
        "presigned_upload_model_id_supported": False,
        "features_enabled": {"gateway": False},
        "server": "gitruns",
        "server_version": OURS,
    }


def metrics_call(numbers: Numbers) -> Call:
    """Returns the call that gives the numbers of this worker to Prometheus."""

    def metrics(context: Context, fields: Fields) -> Answer:
        text = numbers.text(OURS)
        return Answer(text.encode(), content_type="text/plain; version=0.0.4; charset=utf-8")

    return Call("GET", "/metrics", "Metrics", metrics, role=Role.READER, below=AT_ROOT)


CALLS = (
    Call("GET", "/", "Welcome", _welcome, quick=_welcome, role=Role.ANYONE, below=AT_ROOT),
    Call("GET", "/health", "Health", _health, quick=_health, role=Role.ANYONE, below=AT_ROOT),
    Call("GET", "/version", "Version", _version, quick=_version, role=Role.ANYONE, below=AT_ROOT),
    Call("GET", "/3.0/mlflow/server-info", "GetServerInfo", _server_info, quick=_server_info, role=Role.ANYONE),
)
