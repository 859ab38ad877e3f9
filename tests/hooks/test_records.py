"""Records travel with a push of the code, also those that are only journalled; then the hook is silent again."""

from __future__ import annotations

from conftest import run_git
from gitruns.repo import Repo
from hooks.conftest import Clone


def test_journalled_records_go_with_the_code(clone: Clone) -> None:
    clone.install()
    repo = Repo.open(clone.folder)
    repo.records.put("trace", "tr-1", {"state": "OK"})
    clone.commit()
    pushed = clone.push()
    assert pushed.code == 0 and any("sent records" in line for line in pushed.ours), pushed.said
    ref = f"refs/runs/records/{repo.writer}"
    assert run_git(clone.remote, "rev-parse", ref) == clone.git("rev-parse", ref)
    for _ in range(2):
        clone.commit()
        pushed = clone.push()
        assert pushed.code == 0 and not pushed.ours
    repo.records.put("trace", "tr-1", {"state": "ERROR"})
    clone.commit()
    assert any("sent records" in line for line in clone.push().ours)
