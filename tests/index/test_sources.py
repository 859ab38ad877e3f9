"""Runs by the code they ran."""

from __future__ import annotations

from pathlib import Path

import pytest

from compare.lab import Lab
from gitruns.entities.ids import ObjectId


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A repository of its own."""
    made = Lab(tmp_path / "project")
    monkeypatch.chdir(made.folder)
    return made


def test_runs_are_found_by_tree_and_by_commit(lab: Lab) -> None:
    commit = ObjectId(lab.commit("first", train__py="1\n"))
    clean = lab.run({"loss": 1.0}, lr=0.1)
    lab.write(train__py="2\n")
    dirty = lab.run({"loss": 2.0}, experiment="other")
    index = lab.repo.index
    trees = {lab.get(run).info.source.code_tree for run in (clean, dirty)}
    assert index.source_trees() == trees and len(trees) == 2
    assert index.source_bases() == {commit}
    found = index.infos_of_trees([ObjectId(lab.git("rev-parse", "HEAD^{tree}"))], None, 10)
    assert [run.info for run in found] == [lab.get(clean).info]
    assert found[0].params == {} and found[0].metrics == {}, "facts alone"
    assert [run.info.id for run in index.infos_of_bases([commit], None, 10)] == [dirty, clean]
    assert [run.info.id for run in index.infos_of_bases([commit], None, 1)] == [dirty]
    other = lab.get(dirty).info.experiment_id
    assert [run.info.id for run in index.infos_of_bases([commit], [other], 10)] == [dirty]
    assert [run.info.id for run in index.list_infos(lab.repo.search("loss = 1"))] == [clean]
