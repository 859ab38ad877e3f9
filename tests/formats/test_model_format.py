"""Registered models as docs/format.md has them: known bytes, and what can be worked out with git and hashlib alone."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

import gitruns
from conftest import Git
from gitruns.entities.ids import Digest, ObjectId, RunId, WriterId
from gitruns.entities.model import ModelId, ModelVersion, RegisteredModel, Stage, VersionId
from gitruns.entities.stamp import Stamp
from gitruns.gitstore.codec.model import decode_model, encode_model

KNOWN = {
    "format": b"gitruns 1\n",
    "model.yaml": (
        b'"creation_time": 1763718000000\n"description": "Reads digits"\n"id": "=44igits"\n'
        b'"last_update_time": 1763718000002\n"lifecycle": "active"\n"name": "Digits"\n'
    ),
    "tags.yaml": b'"team": "vision"\n',
    "aliases.yaml": b'"champion": "' + b"a" * 32 + b'"\n',
    "versions/" + "a" * 32 + ".yaml": (
        b'"claim": 1\n"creation_time": 1763718000001\n"digest": "' + b"d" * 64 + b'"\n"git_tag": "' + b"e" * 40 + b'"\n'
        b'"id": "' + b"a" * 32 + b'"\n"last_update_time": 1763718000002\n"lifecycle": "active"\n"number": 2\n'
        b'"path": "model"\n"run_commit": "' + b"f" * 40 + b'"\n"run_id": "' + b"b" * 32 + b'"\n"size": 7\n'
        b'"source": "runs:/' + b"b" * 32 + b'/model"\n"stage": "Production"\n"tag/reviewed": "yes"\n"user": "Ada"\n'
    ),
    "stamps.yaml": b'"versions/' + b"a" * 32 + b'/stage": [1763718000002, 0, "a3f1c2d4e5b60718"]\n',
}


def test_known_bytes_are_read_and_written() -> None:
    version = ModelVersion(
        id=VersionId("a" * 32),
        number=2,
        claim=1,
        creation_time_ms=1763718000001,
        last_update_time_ms=1763718000002,
        source=f"runs:/{'b' * 32}/model",
        run_id=RunId("b" * 32),
        run_commit=ObjectId("f" * 40),
        git_tag=ObjectId("e" * 40),
        path="model",
        digest=Digest("d" * 64),
        size_bytes=7,
        user="Ada",
        stage=Stage.PRODUCTION,
        tags={"reviewed": "yes"},
    )
    model = RegisteredModel(
        id=ModelId("=44igits"),
        name="Digits",
        description="Reads digits",
        creation_time_ms=1763718000000,
        last_update_time_ms=1763718000002,
        tags={"team": "vision"},
        aliases={"champion": version.id},
        versions={version.id: version},
        stamps={f"versions/{version.id}/stage": Stamp(1763718000002, 0, WriterId("a3f1c2d4e5b60718"))},
    )
    assert encode_model(model) == KNOWN
    assert decode_model(KNOWN) == model


def ref_of(name: str) -> str:
    """The model's ref, as docs/format.md says and nothing else."""
    device = re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name)
    plain = re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name) and len(name) <= 200 and ".." not in name
    if plain and not name.endswith((".", ".lock")) and not device:
        return name
    coded = "".join(chr(byte) if re.fullmatch(r"[a-z0-9_-]", chr(byte)) else f"={byte:02x}" for byte in name.encode())
    if not coded.startswith("="):
        coded = f"={ord(coded[0]):02x}" + coded[1:]
    return coded if len(coded) <= 200 else f"={coded[1:100]}==" + hashlib.sha256(name.encode()).hexdigest()


def lines(text: str) -> dict[str, object]:
    """A canonical mapping, read as lines of JSON."""
    return {json.loads(key): json.loads(value) for key, value in (line.split(": ", 1) for line in text.splitlines())}


def test_a_reader_of_git_alone_finds_the_same(git_repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(git_repo)
    with gitruns.start_run() as run:
        gitruns.log_text("weights", "model/weights.txt")
        gitruns.log_text("more", "model/a/b.txt")
    names = ["digits", "Ünï cödé", "con", "x" * 240, "Ä" * 90]
    for name in names:
        gitruns.register_model(f"runs:/{run.info.run_id}/model", name, aliases=["best"])
    for name in names:
        ref = ref_of(name)
        assert lines(git(git_repo, "show", f"refs/runs/models/{ref}:model.yaml"))["name"] == name
        (version_id,) = lines(git(git_repo, "show", f"refs/runs/models/{ref}:aliases.yaml")).values()
        version = lines(git(git_repo, "show", f"refs/runs/models/{ref}:versions/{version_id}.yaml"))
        manifest = git(git_repo, "show", f"{version['run_commit']}:artifacts.yaml")
        files = [json.loads(line[2:]) for line in manifest.splitlines()]
        listed = "".join(
            f'- {{"path": {json.dumps(file["path"][6:])}, "sha256": "{file["sha256"]}", "size": {file["size"]}}}\n'
            for file in files
        )
        assert version["digest"] == hashlib.sha256(listed.encode()).hexdigest()
        assert version["git_tag"] == git(git_repo, "rev-parse", f"refs/tags/models/{ref}/v1")
        release = git(git_repo, "rev-parse", f"refs/tags/models/{ref}/v1^{{}}")
        source, made = git(git_repo, "rev-parse", f"{release}^1", f"{release}^2").split()
        assert made == version["run_commit"] == git(git_repo, "rev-parse", f"refs/runs/{version['run_id']}")
        assert git(git_repo, "rev-parse", f"{release}^{{tree}}") == git(git_repo, "rev-parse", f"{source}^{{tree}}")
        shown = git(git_repo, "show", "--no-patch", "--format=%an <%ae>%n%cn <%ce>%n%ct%n%B", release)
        times = [int(git(git_repo, "show", "--no-patch", "--format=%ct", one)) for one in (source, made)]
        who = "gitruns <gitruns@localhost>"
        told = f"code and run of a release\n\nSource: {source}\nRun: {made}"
        assert shown == f"{who}\n{who}\n{max(times)}\n{told}"
