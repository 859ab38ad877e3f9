"""Artifacts over HTTP: what comes is what goes, nothing leaves its run, and an answer means that it is kept."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from gitruns.entities.ids import RunId
from gitruns.repo import Repo
from server.serving import Reply, Served, bearer, make_token, serving


@pytest.fixture
def server(shared_server: Served) -> Served:
    """One server for all of these tests: each makes a run of its own."""
    return shared_server


API = "/api/2.0/mlflow"
PROXY = "/api/2.0/mlflow-artifacts/artifacts"


def begin(server: Served, experiment: str = "0") -> str:
    """Returns the id of a new run."""
    return str(server.post(f"{API}/runs/create", {"experiment_id": experiment}).json["run"]["info"]["run_id"])


def put(server: Served, run_id: str, path: str, data: bytes) -> Reply:
    return server.call("PUT", f"{PROXY}/{run_id}/artifacts/{path}", data)


def listed(server: Served, run_id: str, path: str = "") -> list[str]:
    files = server.get(f"{API}/artifacts/list?run_id={run_id}&path={quote(path)}").json.get("files", [])
    return [file["path"] + ("/" if file["is_dir"] else "") for file in files]


def test_what_comes_is_what_goes(server: Served) -> None:
    run_id = begin(server)
    files = {"a.txt": b"text", "leer/empty": b"", "ümlaut ordner/ä b.bin": bytes(range(256)), "deep/er/x.json": b"{}"}
    for path, data in files.items():
        reply = put(server, run_id, quote(path), data)
        assert (reply.status, reply.json) == (200, {})
    for path, data in files.items():
        reply = server.get(f"{PROXY}/{run_id}/artifacts/{quote(path)}")
        assert (reply.status, reply.body) == (200, data)
        assert reply.headers["content-disposition"].startswith("attachment")
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["etag"] == f'"{hashlib.sha256(data).hexdigest()}"'
    assert listed(server, run_id) == ["a.txt", "deep/", "leer/", "ümlaut ordner/"]
    assert listed(server, run_id, "deep") == ["deep/er/"]
    assert listed(server, run_id, "a.txt") == []
    assert listed(server, run_id, "nothing") == []


def test_an_address_may_name_the_experiment_as_mlflow_does(server: Served) -> None:
    run_id = begin(server)
    assert server.call("PUT", f"{PROXY}/0/{run_id}/artifacts/x", b"1").status == 200
    reply = server.get(f"{PROXY}?path=0/{run_id}/artifacts")
    assert reply.json == {"files": [{"path": "x", "is_dir": False, "file_size": 1}]}
    assert server.get(f"{PROXY}?path={run_id}/artifacts/x").json == {}
    assert server.get(f"{PROXY}?path=nothing").json == {}
    assert server.get(PROXY).json == {}


def test_the_same_path_again_replaces(server: Served) -> None:
    run_id = begin(server)
    put(server, run_id, "x", b"old")
    put(server, run_id, "x", b"new one")
    assert server.get(f"{PROXY}/{run_id}/artifacts/x").body == b"new one"
    files = server.get(f"{API}/artifacts/list?run_id={run_id}").json
    assert files == {
        "root_uri": f"mlflow-artifacts:/{run_id}/artifacts",
        "files": [{"path": "x", "is_dir": False, "file_size": 7}],
    }


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        ("bytes=0-0", 206, 0, 0),
        ("bytes=100-", 206, 100, 999),
        ("bytes=-10", 206, 990, 999),
        ("bytes=10-5000", 206, 10, 999),
        ("bytes=1000-", 416, 0, 0),
        ("bytes=x", 200, 0, 999),
    ],
)
def test_ranges(server: Served, asked: str, status: int, first: int, last: int) -> None:
    data = os.urandom(1000)
    run_id = begin(server)
    put(server, run_id, "x", data)
    reply = server.get(f"{PROXY}/{run_id}/artifacts/x", {"Range": asked})
    assert reply.status == status
    if status != 416:
        assert reply.body == data[first : last + 1]
    assert server.call("HEAD", f"{PROXY}/{run_id}/artifacts/x").headers["content-length"] == "1000"
    tag = reply.headers["etag"]
    assert server.get(f"{PROXY}/{run_id}/artifacts/x", {"If-None-Match": tag}).status == 304


def test_ways_out_are_refused(server: Served) -> None:
    run_id = begin(server)
    ways = (
        "../x", "a/../../x", "..", "%2e%2e/x", "%2E%2E%2Fx", "%252e%252e/x", "%25252e%25252e%25252fx", "..%2fx",
        "..%5cx", "a%5cb", "%00", "a%00.txt", "/etc/passwd", "%2fetc%2fpasswd", "file:%2f%2f%2fetc%2fpasswd",
        "FILE:/x", "C:%5cx", "c:/x", ".gitruns/x", "%252fetc",
    )  # fmt: skip
    for way in ways:
        for method in ("PUT", "GET", "DELETE"):
            reply = server.call(method, f"{PROXY}/{run_id}/artifacts/{way}", b"x" if method == "PUT" else None)
            assert reply.status == 400, (method, way, reply.body)
            assert reply.code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")
        reply = server.get(f"{API}/artifacts/list?run_id={run_id}&path={way}")
        assert reply.status in (200, 400), (way, reply.body)
        assert reply.status == 400 or "files" not in reply.json, (way, reply.body)
        assert server.get(f"/get-artifact?run_id={run_id}&path={way}").status in (400, 404)
    assert listed(server, run_id) == []


def test_there_is_nothing_outside_of_runs(server: Served) -> None:
    for place in ("x", "train.py", ".git/config", "0" * 32, f"{'0' * 32}/artifacts/x", "models/m-1/artifacts/x"):
        assert server.get(f"{PROXY}/{place}").status == 404
        assert server.call("PUT", f"{PROXY}/{place}", b"x").status == 404
        assert server.call("DELETE", f"{PROXY}/{place}").status == 404


def test_deleting(server: Served) -> None:
    run_id = begin(server)
    for path in ("a/1", "a/2", "ab", "b"):
        put(server, run_id, path, b"x")
    assert server.call("DELETE", f"{PROXY}/{run_id}/artifacts/a").json == {}
    assert listed(server, run_id) == ["ab", "b"], "a folder, and nothing that only begins like it"
    assert server.call("DELETE", f"{PROXY}/{run_id}/artifacts/a").json == {}, "what is not there is fine"
    server.post(f"{API}/runs/log-metric", {"run_id": run_id, "key": "m", "value": 1.5, "timestamp": 1})
    put(server, run_id, "c", b"later")
    server.post(f"{API}/runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": 5})
    assert server.call("DELETE", f"{PROXY}/{run_id}/artifacts/b").json == {}
    assert listed(server, run_id) == ["ab", "c"]
    run = server.get(f"{API}/runs/get?run_id={run_id}").json["run"]
    assert (run["info"]["status"], run["data"]["metrics"][0]["value"]) == ("FINISHED", 1.5)


def test_deleting_waits_for_another_process_that_is_done_soon(git_repo: Path, tmp_path: Path) -> None:
    with serving(git_repo, tmp_path / "log") as server:
        run_id = begin(server)
        put(server, run_id, "a", b"x")
        server.post(f"{API}/runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": 5})
        log = Repo.open(git_repo).open_log(RunId(run_id), set_running=False)
        log.add_bytes(b"y", "b")
        closing = threading.Timer(1.0, log.detach)
        closing.start()
        try:
            assert server.call("DELETE", f"{PROXY}/{run_id}/artifacts/a").status == 200
        finally:
            closing.join()
        assert listed(server, run_id) == ["b"]

        running = begin(server)
        put(server, running, "a", b"x")
        other = Repo.open(git_repo).open_log(RunId(running), set_running=False)
        reply = server.call("DELETE", f"{PROXY}/{running}/artifacts/a")
        other.detach()
        assert (reply.status, reply.code) == (400, "INVALID_PARAMETER_VALUE")
        assert "it is being written" in reply.json["message"]


def test_a_run_that_ended_takes_artifacts_and_stays_ended(server: Served) -> None:
    run_id = begin(server)
    server.post(f"{API}/runs/update", {"run_id": run_id, "status": "FAILED", "end_time": 5})
    assert put(server, run_id, "late.txt", b"late").status == 200
    assert listed(server, run_id) == ["late.txt"]
    assert server.get(f"{API}/runs/get?run_id={run_id}").json["run"]["info"]["status"] == "FAILED"


def test_what_pages_ask_for(server: Served) -> None:
    run_id = begin(server)
    put(server, run_id, "folder/page.html", b"<script>alert(1)</script>")
    put(server, run_id, "notes.md", b"# notes")
    reply = server.get(f"/get-artifact?run_id={run_id}&path=folder/page.html")
    assert reply.body == b"<script>alert(1)</script>"
    assert reply.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in reply.headers["content-security-policy"]
    assert server.get(f"/get-artifact?run_uuid={run_id}&path=notes.md").headers["content-type"].startswith("text/plain")
    refused = server.get(f"/get-artifact?run_id={run_id}&path=folder")
    assert (refused.status, refused.code) == (400, "INVALID_PARAMETER_VALUE")
    assert server.get(f"/get-artifact?run_id={run_id}&path=nothing").code == "RESOURCE_DOES_NOT_EXIST"
    page = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run_id}&path=made/by.txt"
    assert server.call("POST", page, b"by a page").status == 200
    assert server.get(f"{PROXY}/{run_id}/artifacts/made/by.txt").body == b"by a page"
    assert server.call("POST", page, b"").json["message"] == "Request must specify data."
    assert server.call("POST", "/ajax-api/2.0/mlflow/upload-artifact?path=x", b"1").status == 400


def test_what_only_clouds_can_do(server: Served) -> None:
    run_id = begin(server)
    reply = server.get(f"/api/2.0/mlflow-artifacts/presigned/{run_id}/artifacts/x")
    assert (reply.status, reply.code) == (501, "NOT_IMPLEMENTED")
    assert reply.json["message"].startswith("Multipart download is not supported")
    for name in ("upload", "download"):
        reply = server.post(f"{API}/artifacts/presigned-{name}-url", {"run_id": run_id, "path": "x"})
        assert (reply.status, reply.code) == (400, "INVALID_PARAMETER_VALUE")
        assert "proxied artifact storage" in reply.json["message"]


def test_a_large_file_in_parts(server: Served) -> None:
    run_id = begin(server)
    parts = [os.urandom(3 << 20), os.urandom(3 << 20), b"end"]
    where = {"path": "/home/ada/big.bin"}
    made = server.post(f"/api/2.0/mlflow-artifacts/mpu/create/{run_id}/artifacts/models", {**where, "num_parts": 3})
    upload_id, credentials = made.json["upload_id"], made.json["credentials"]
    assert [one["part_number"] for one in credentials] == [1, 2, 3]
    tags = {}
    for number in (3, 1, 2):
        address = credentials[number - 1]["url"].removeprefix(server.url)
        reply = server.call("PUT", address, parts[number - 1])
        assert reply.status == 200
        tags[number] = reply.headers["etag"]
    whole = {**where, "upload_id": upload_id, "parts": [{"part_number": n, "etag": tags[n]} for n in (1, 2, 3)]}
    complete = f"/api/2.0/mlflow-artifacts/mpu/complete/{run_id}/artifacts"
    assert server.post(f"{complete}/other", whole).status == 404, "it was begun for another place"
    swapped = [{"part_number": 1, "etag": tags[2]}, *whole["parts"][1:]]
    assert server.post(f"{complete}/models", {**whole, "parts": swapped}).status == 400
    assert server.post(f"{complete}/models", {**whole, "parts": whole["parts"][:2]}).status == 400
    assert listed(server, run_id) == []
    assert server.post(f"{complete}/models", whole).json == {}
    assert server.get(f"{PROXY}/{run_id}/artifacts/models/big.bin").body == b"".join(parts)
    assert server.post(f"{complete}/models", whole).json == {}, "who has waited too long asks again"
    assert server.post(f"{complete}/models", {**whole, "parts": swapped}).status == 400
    assert server.call("PUT", credentials[0]["url"].removeprefix(server.url), b"late").status == 404, "it is over"
    assert server.get(f"{PROXY}/{run_id}/artifacts/models/big.bin").body == b"".join(parts)


def test_an_upload_in_parts_that_is_given_up(server: Served) -> None:
    run_id = begin(server)
    place = f"{run_id}/artifacts"
    made = server.post(f"/api/2.0/mlflow-artifacts/mpu/create/{place}", {"path": "x", "num_parts": 1}).json
    address = made["credentials"][0]["url"].removeprefix(server.url)
    assert server.call("PUT", address, b"half").status == 200
    assert server.call("PUT", address.rsplit("/", 1)[0] + "/2", b"half").status == 400
    assert server.call("PUT", address.replace(made["upload_id"], "A" * 43), b"half").status == 404
    given_up = {"path": "x", "upload_id": made["upload_id"]}
    assert server.post(f"/api/2.0/mlflow-artifacts/mpu/abort/{place}", given_up).json == {}
    assert server.call("PUT", address, b"half").status == 404
    assert server.post("/api/2.0/mlflow-artifacts/mpu/create/x", {"path": "x", "num_parts": 1}).status == 404


def test_a_body_that_ends_early_leaves_nothing(server: Served) -> None:
    run_id = begin(server)
    with server.connect() as connection:
        head = f"PUT {PROXY}/{run_id}/artifacts/x HTTP/1.1\r\nHost: {server.host}:{server.port}\r\n"
        connection.sendall(head.encode() + b"Content-Length: 9000000\r\n\r\n" + b"x" * 5_000_000)
    assert listed(server, run_id) == []


def test_an_artifact_can_be_too_large(git_repo: Path, tmp_path: Path) -> None:
    with serving(git_repo, tmp_path / "log", "--max-artifact-mib", "2") as server:
        run_id = begin(server)
        assert put(server, run_id, "fits", b"x" * (2 << 20)).status == 200
        reply = put(server, run_id, "large", b"x" * ((2 << 20) + 1))
        assert (reply.status, reply.code) == (400, "INVALID_PARAMETER_VALUE")
        place = f"/api/2.0/mlflow-artifacts/mpu/create/{run_id}/artifacts"
        made = server.post(place, {"path": "parts", "num_parts": 2}).json
        tags = []
        for credential in made["credentials"]:
            address = credential["url"].removeprefix(server.url)
            tags.append(server.call("PUT", address, b"x" * (3 << 19)).headers["etag"])
        parts = [{"part_number": 1, "etag": tags[0]}, {"part_number": 2, "etag": tags[1]}]
        whole = {"path": "parts", "upload_id": made["upload_id"], "parts": parts}
        assert server.post(place.replace("create", "complete"), whole).status == 400
        assert listed(server, run_id) == ["fits"]


def test_an_answered_upload_survives_kill_9(git_repo: Path, tmp_path: Path) -> None:
    with serving(git_repo, tmp_path / "first.log") as server:
        run_id = begin(server)
        for number in range(5):
            assert put(server, run_id, f"{number}.bin", bytes([number]) * 100_000).status == 200
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    repo = Repo.open(git_repo)
    for number in range(5):
        with repo.open_artifact(repo.resolve_run(run_id), f"{number}.bin") as file:
            assert file.read() == bytes([number]) * 100_000


def test_who_is_limited_to_an_experiment_reaches_no_files_of_another(git_repo: Path, tmp_path: Path) -> None:
    admin = bearer(make_token(git_repo, "--role", "admin"))
    with serving(git_repo, tmp_path / "log", "--require-token") as server:
        server.headers.update(admin)
        ids = [server.post(f"{API}/experiments/create", {"name": name}).json["experiment_id"] for name in "ab"]
        own, other = (begin(server, experiment) for experiment in ids)
        models = [
            server.post(f"{API}/logged-models", {"experiment_id": one}).json["model"]["info"]["model_id"] for one in ids
        ]
        put(server, other, "secret", b"x")
        server.headers.update(bearer(make_token(git_repo, "--role", "writer", "--experiment", ids[0])))

        assert put(server, own, "mine", b"x").status == 200
        assert server.get(f"{PROXY}/{own}/artifacts/mine").body == b"x"
        assert listed(server, own) == ["mine"]
        assert server.get(f"{API}/logged-models/{models[0]}").status == 200
        assert server.get(f"{PROXY}?path={own}/artifacts").status == 200
        point = {"key": "m", "value": 1.0, "timestamp": 1, "step": 0}
        measured = {"run_id": own, "metrics": [{**point, "model_id": models[0]}, {**point, "model_id": ["x"]}]}
        assert server.post(f"{API}/runs/log-batch", measured).status == 400
        assert server.post(f"{API}/runs/log-batch", {**measured, "metrics": measured["metrics"][:1]}).status == 200
        refused = [
            put(server, other, "x", b"x"),
            server.get(f"{PROXY}/{other}/artifacts/secret"),
            server.get(f"{PROXY}/{ids[0]}/{other}/artifacts/secret"),
            server.call("DELETE", f"{PROXY}/{other}/artifacts/secret"),
            server.get(f"{PROXY}?path={other}/artifacts"),
            server.get(f"{API}/artifacts/list?run_id={other}"),
            server.get(f"/get-artifact?run_id={other}&path=secret"),
            server.call("POST", f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={other}&path=x", b"x"),
            server.post(f"/api/2.0/mlflow-artifacts/mpu/create/{other}/artifacts", {"path": "x", "num_parts": 1}),
            server.get(f"{API}/logged-models/{models[1]}"),
            server.call("DELETE", f"{API}/logged-models/{models[1]}"),
            server.get(f"{API}/logged-models/{models[1]}/artifacts/directories"),
            server.post(f"{API}/logged-models/search", {"experiment_ids": ids}),
            server.post(f"{API}/logged-models", {"experiment_id": ids[1]}),
            server.post(f"{API}/logged-models", {"experiment_id": ids[0], "source_run_id": other}),
            *(
                server.post(f"{API}/runs/log-batch", {"run_id": own, "metrics": [{**point, name: models[1]}]})
                for name in ("model_id", "modelId")
            ),
            server.post(f"{API}/runs/log-metric", {"run_id": own, **point, "model_id": models[1]}),
        ]
        assert [reply.status for reply in refused] == [403] * len(refused)
        assert b"secret" not in b"".join(reply.body for reply in refused)

        parts = {"path": "parts", "num_parts": 1}
        made = server.post(f"/api/2.0/mlflow-artifacts/mpu/create/{own}/artifacts", parts).json
        server.headers.clear()
        address = made["credentials"][0]["url"].removeprefix(server.url)
        assert server.call("PUT", address, b"part").status == 200, "who has the id was let in when they began"
        whole = {"path": "parts", "upload_id": made["upload_id"], "parts": [{"part_number": 1}]}
        complete = f"/api/2.0/mlflow-artifacts/mpu/complete/{own}/artifacts"
        assert server.post(complete, whole).status == 401, "and nothing else goes without a token"
        assert put(server, own, "x", b"x").status == 401


def test_many_at_once_through_several_workers(git_repo: Path, tmp_path: Path) -> None:
    with serving(git_repo, tmp_path / "log", "--workers", "2") as server:
        run_id = begin(server)
        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda number: put(server, run_id, f"f/{number}", b"%d" % number), range(60)))
        assert [reply.status for reply in replies] == [200] * 60
        assert sorted(listed(server, run_id, "f")) == sorted(f"f/{number}" for number in range(60))
        for number in (0, 31, 59):
            assert server.get(f"{PROXY}/{run_id}/artifacts/f/{number}").body == b"%d" % number
        server.post(f"{API}/runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": 5})
        assert len(listed(server, run_id, "f")) == 60
