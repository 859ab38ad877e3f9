"""MLflow's calls for artifacts that come in parts. A part is put at an address that the first call gives out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from gitruns.protocol import artifacts, part_uploads
from gitruns.protocol.artifact_paths import check_path
from gitruns.protocol.errors import refused
from gitruns.server.calls import Answer, Call, Context, Field, Fields, Role, StreamCall, Upload
from gitruns.server.fields import invalid_field
from gitruns.server.routes.artifacts import of_address

Body = Mapping[str, Any]

MAX_PART_BYTES = 5 << 30


def _address(fields: Fields) -> str:
    """Returns the address of the file: the folder is in the path of the call, the name at the end of the client's."""
    name = fields["path"].replace("\\", "/").rpartition("/")[2]
    return check_path(f"{fields['artifact_path'].rstrip('/')}/{name}")


def create(context: Context, fields: Fields) -> Body:
    """Begins an upload; answers with the address of each part."""
    count = fields.get("num_parts", 1)
    upload_id = part_uploads.begin(context.hub, _address(fields), count)
    root = f"{context.base_url}/api/2.0/mlflow-artifacts/mpu/parts/{upload_id}"
    parts = [{"url": f"{root}/{number}", "part_number": number} for number in range(1, count + 1)]
    return {"upload_id": upload_id, "credentials": parts}


def put_part(context: Context, fields: Fields, body: Upload | None) -> Answer:
    """Keeps a part."""
    if context.settings.read_only:
        raise refused("this server is read-only", "PERMISSION_DENIED")
    if body is None:
        raise refused("Bad Request. The body is missing.", "BAD_REQUEST")
    pieces = artifacts.no_larger_than(context.settings.max_artifact_bytes, artifacts.in_pieces(body.stream))
    digest = part_uploads.put_part(context.hub, fields["upload_id"], fields["part_number"], pieces)
    return Answer(b"{}", headers={"ETag": f'"{digest}"'})


def complete(context: Context, fields: Fields) -> Body:
    """Joins the parts to the artifact."""
    parts = []
    for item in fields["parts"]:
        number = item.get("part_number") if isinstance(item, dict) else None
        tag = item.get("etag") or "" if isinstance(item, dict) else None
        if not isinstance(number, int) or not isinstance(tag, str):
            raise invalid_field("parts", fields["parts"])
        parts.append((number, tag))
    limit = context.settings.max_artifact_bytes
    part_uploads.complete(context.hub, fields["upload_id"], _address(fields), parts, limit=limit)
    return {}


def abort(context: Context, fields: Fields) -> Body:
    """Gives an upload up."""
    part_uploads.abort(context.hub, fields["upload_id"], _address(fields))
    return {}


_ROOT = "/2.0/mlflow-artifacts/mpu"
_REST = "{artifact_path:path}"
_TEXT, _NEEDED = Field("string"), Field("string", required=True)
_WHERE = {"artifact_path": _NEEDED, "path": _NEEDED}
_UPLOAD = {**_WHERE, "upload_id": _NEEDED}


def _of(context: Context, fields: Fields) -> Collection[str]:
    return of_address(context, {"artifact_path": fields["artifact_path"]})


CALLS = (
    Call(
        "POST",
        f"{_ROOT}/create/{_REST}",
        "CreateMultipartUpload",
        create,
        {**_WHERE, "num_parts": Field("int")},
        experiment_of=_of,
    ),
    Call(
        "POST",
        f"{_ROOT}/complete/{_REST}",
        "CompleteMultipartUpload",
        complete,
        {**_UPLOAD, "parts": Field("list", required=True)},
        experiment_of=_of,
        limit_bytes=8 << 20,
    ),
    Call("POST", f"{_ROOT}/abort/{_REST}", "AbortMultipartUpload", abort, _UPLOAD, experiment_of=_of),
    # Whoever has the id of an upload was let in when they began it: the part needs no token, as with stores of clouds.
    StreamCall(
        "PUT",
        f"{_ROOT}/parts/{{upload_id}}/{{part_number}}",
        "UploadPart",
        put_part,
        {"upload_id": _NEEDED, "part_number": Field("int", required=True)},
        Role.ANYONE,
        limit_bytes=MAX_PART_BYTES,
    ),
)
