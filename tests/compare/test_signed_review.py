"""A review that asks for signed runs, with a real ssh key."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from compare.lab import Lab
from gitruns.compare.review import Request, Verdict, build_review
from gitruns.compare.review.report import Outcome
from gitruns.repo import Repo


def signing(lab: Lab, tmp_path: Path) -> None:
    """Makes a key that signs commits, and lists it as Ada's; the repository is opened anew to see it."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (tmp_path / "signers").write_text(f"ada@example.org {key.with_suffix('.pub').read_text()}")
    for name, value in {
        "gpg.format": "ssh",
        "user.signingKey": f"{key}.pub",
        "gpg.ssh.allowedSignersFile": str(tmp_path / "signers"),
        "runs.sign": "true",
    }.items():
        lab.git("config", name, value)
    lab.repo.close()
    lab.repo = Repo.open(lab.folder)


@pytest.mark.parametrize("signed", [True, False])
def test_all_runs_that_count_must_be_signed(lab: Lab, tmp_path: Path, signed: bool) -> None:
    if signed:
        signing(lab, tmp_path)
    lab.commit("first", train__py="1\n", gitruns__yaml="review:\n  signed: true\n  loss: better\n")
    lab.run({"loss": 0.5})
    if not signed:
        signing(lab, tmp_path)
    lab.git("switch", "--quiet", "-c", "feature")
    lab.commit("second", train__py="2\n")
    lab.run({"loss": 0.4})
    found = build_review(lab.repo, Request())
    outcome = {result.rule.metric: (result.outcome, result.why) for result in found.rules}
    assert outcome["loss"][0] is Outcome.HELD
    if signed:
        assert outcome["runs"] == (Outcome.HELD, "all 2 runs are") and found.verdict is Verdict.PASSED
    else:
        assert outcome["runs"] == (Outcome.BROKEN, "1 of 2 runs are not") and found.verdict is Verdict.FAILED


def test_where_there_is_no_run_nothing_is_signed(lab: Lab) -> None:
    lab.commit("first", train__py="1\n", gitruns__yaml="review:\n  signed: true\n")
    lab.git("switch", "--quiet", "-c", "feature")
    lab.commit("second", train__py="2\n")
    assert build_review(lab.repo, Request()).verdict is Verdict.UNDECIDED
