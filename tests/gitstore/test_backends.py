"""Both engines and both formats of refs, held to one contract."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from gitruns.gitstore.backend import Backend
from gitruns.testing.backend import BackendContract, Program


class TestSha1(BackendContract):
    @pytest.fixture
    def repository(self, tmp_path: Path, program: Program) -> Path:
        program(tmp_path, "init", "-q", "--object-format=sha1", "repository")
        return tmp_path / "repository"

    def test_the_engine(self, backend: Backend) -> None:
        assert (backend.name, backend.object_format) == ("pygit2", "sha1")

    def test_it_knows_when_a_tree_is_clean(self, backend: Backend, repository: Path, program: Program) -> None:
        (repository / "train.py").write_text("print(1)\n")
        program(repository, "add", ".")
        program(repository, "commit", "-q", "-m", "first")
        index = (repository / ".git" / "index").read_bytes()
        assert backend.is_clean() is True
        (repository / "new.txt").write_text("x")
        assert backend.is_clean() is False
        assert (repository / ".git" / "index").read_bytes() == index


class TestSha256(BackendContract):
    @pytest.fixture
    def repository(self, tmp_path: Path, program: Program) -> Path:
        program(tmp_path, "init", "-q", "--object-format=sha256", "repository")
        return tmp_path / "repository"

    def test_the_engine(self, backend: Backend) -> None:
        assert (backend.name, backend.object_format) == ("dulwich", "sha256")
        assert len(backend.write_object("blob", b"")) == 64


class _OnReftable(BackendContract):
    @pytest.fixture
    def environ(self, isolated_home: Path, reftable_environ: Mapping[str, str]) -> Mapping[str, str]:
        return {**os.environ, **reftable_environ}


class TestReftable(_OnReftable):
    @pytest.fixture
    def repository(self, tmp_path: Path, program: Program) -> Path:
        program(tmp_path, "init", "-q", "--ref-format=reftable", "--object-format=sha1", "repository")
        return tmp_path / "repository"

    def test_the_engine(self, backend: Backend, repository: Path) -> None:
        assert (backend.name, backend.object_format) == ("pygit2", "sha1")
        assert (repository / ".git" / "reftable").is_dir()


class TestSha256Reftable(_OnReftable):
    @pytest.fixture
    def repository(self, tmp_path: Path, program: Program) -> Path:
        program(tmp_path, "init", "-q", "--ref-format=reftable", "--object-format=sha256", "repository")
        return tmp_path / "repository"

    def test_the_engine(self, backend: Backend, repository: Path) -> None:
        assert (backend.name, backend.object_format) == ("dulwich", "sha256")
        assert (repository / ".git" / "reftable").is_dir()
