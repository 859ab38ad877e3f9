"""Runs in a file: what goes in comes out, twice is once, stock git reads it, and a bad file harms nobody."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from gitruns.errors import CorruptDataError, InvalidInputError
from gitruns.repo.archiving import archive_runs
from gitruns.sync import read_bundle, select, write_bundle
from sync.conftest import Clone


def with_artifact(clone: Clone, data: bytes) -> str:
    from gitruns.tracking.client import Client

    client = Client(clone.folder)
    run_id = client.create_run(run_name="made").info.run_id
    file = clone.folder.parent / "weights.bin"
    file.write_bytes(data)
    client.log_artifact(run_id, file)
    client.set_terminated(run_id)
    clone.repo.recover()
    return run_id


def test_a_bundle_carries_everything(ada: Clone, bob: Clone, tmp_path: Path) -> None:
    ada.commit()  # on no remote
    runs = {ada.log("one", experiment="digits"), ada.log("other")}
    archive_runs(ada.repo, [min(runs)])
    written = write_bundle(ada.repo, tmp_path / "x.bundle")
    assert set(written.runs) == runs and len(written.needs) == 1
    assert "contains these 3 refs" in bob.git("bundle", "verify", str(tmp_path / "x.bundle"))
    assert set(read_bundle(bob.repo, tmp_path / "x.bundle").fetched.new) == runs
    assert bob.shown() == ada.shown()
    assert read_bundle(bob.repo, tmp_path / "x.bundle").fetched.is_up_to_date
    assert bob.refs("refs/runs-remotes/") == {}


def test_only_chosen_runs_with_their_artifacts(ada: Clone, bob: Clone, tmp_path: Path) -> None:
    data = b"w" * 50_000
    run_id = with_artifact(ada, data)
    ada.log("another")
    written = write_bundle(
        ada.repo,
        tmp_path / "x.tar",
        selection=select([run_id]),
        with_artifacts=True,  # type: ignore[list-item]
    )
    assert written.artifacts == 1 and written.missing == 0
    report = read_bundle(bob.repo, tmp_path / "x.tar")
    assert report.fetched.new == (run_id,) and (report.artifacts, report.bad_artifacts) == (1, 0)
    with bob.repo.open_artifact(run_id, "weights.bin") as file:  # type: ignore[arg-type]
        assert file.read() == data


def test_a_bundle_that_builds_on_what_is_not_here(ada: Clone, bob: Clone, tmp_path: Path) -> None:
    ada.commit()
    ada.git("push", "--quiet", "origin", "main")
    run_id = ada.log()
    write_bundle(ada.repo, tmp_path / "x.bundle")
    with pytest.raises(InvalidInputError, match="builds on 1 commits that are not here") as caught:
        read_bundle(bob.repo, tmp_path / "x.bundle")
    assert caught.value.kind == "bundle-needs"
    write_bundle(ada.repo, tmp_path / "whole.bundle", with_source=True)
    assert read_bundle(bob.repo, tmp_path / "whole.bundle").fetched.new == (run_id,)


def test_a_tar_that_means_harm(ada: Clone, bob: Clone, tmp_path: Path) -> None:
    with_artifact(ada, b"w" * 50_000)
    write_bundle(ada.repo, tmp_path / "good.tar", with_artifacts=True)
    with tarfile.open(tmp_path / "bad.tar", "w") as bad, tarfile.open(tmp_path / "good.tar") as good:
        for member in good:
            content = good.extractfile(member)
            assert content is not None
            data = content.read()
            if member.name.startswith("o/"):
                data = b"X" + data[1:]
            bad.addfile(member, io.BytesIO(data))
        for name in ("../../evil", "/tmp/evil", "o/../evil"):
            bad.addfile(tarfile.TarInfo(name), io.BytesIO(b""))
        link = tarfile.TarInfo(f"o/ab/{'c' * 62}")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        bad.addfile(link)
    before = sorted(str(path) for path in tmp_path.rglob("*") if not path.is_relative_to(bob.folder))
    report = read_bundle(bob.repo, tmp_path / "bad.tar")
    assert len(report.fetched.new) == 1 and report.artifacts == 0 and report.bad_artifacts >= 2
    assert sorted(str(path) for path in tmp_path.rglob("*") if not path.is_relative_to(bob.folder)) == before


@pytest.mark.parametrize("data", [b"", b"nonsense", b"# v2 git bundle\n\nPACK", b"\0" * 2048])
def test_files_that_are_no_bundles(bob: Clone, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    try:
        report = read_bundle(bob.repo, tmp_path / "x")
    except (InvalidInputError, CorruptDataError) as error:
        assert error.kind == "no-bundle"
    else:
        assert report.fetched.is_up_to_date


def test_nothing_makes_no_bundle(bob: Clone, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no runs"):
        write_bundle(bob.repo, tmp_path / "x")
    assert list(tmp_path.glob("x*")) == [] and list(tmp_path.glob(".x*")) == []
