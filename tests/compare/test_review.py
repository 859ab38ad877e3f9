"""Reviews of a scripted repository: which runs are chosen, what is judged, and that the same input gives the same."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest

from cli.made_runs import Cli
from compare.lab import Lab, environment
from conftest import run_git
from gitruns.compare.render.review_html import review_html
from gitruns.compare.render.review_markdown import MAX_LENGTH, review_markdown
from gitruns.compare.review import Request, Review, Verdict, build_review
from gitruns.compare.review.report import Outcome
from gitruns.compare.review.rules import parse_rule
from gitruns.entities.ids import RunId
from gitruns.entities.run import RunStatus
from gitruns.repo import Repo

SEEDS = (0.001, -0.001, 0.002)
CURVE = [0.9, 0.7, 0.6]


def seeds(lab: Lab, loss: float, **params: object) -> list[RunId]:
    """Three runs of the present code that differ by their seed."""
    return [
        lab.run({"val_loss": [*CURVE, loss + noise], "acc": 1 - loss - noise}, seed=number, lr=0.1, **params)
        for number, noise in enumerate(SEEDS)
    ]


def review(lab: Lab, span: str | None = None, *rules: str, nearest: bool = False) -> Review:
    """Reviews a range under some rules, `metric: rule`."""
    parsed = tuple(parse_rule(*rule.split(": ")) for rule in rules)
    return build_review(lab.repo, Request(span=span, rules=parsed, nearest=nearest))


def ids(runs: object) -> set[str]:
    """The ids of some runs."""
    return {run.info.id for run in runs}  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """main with three seeds, and a branch `feature` of two commits, the second with three seeds that are better."""
    with pytest.MonkeyPatch.context() as patch:
        for role in ("AUTHOR", "COMMITTER"):  # the session has no home yet
            patch.setenv(f"GIT_{role}_NAME", "Ada Lovelace")
            patch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")
        lab = Lab(tmp_path_factory.mktemp("branched") / "project")
        lab.commit("train a model", train__py="RATE = 1\n", README__md="hello\n", gitruns__yaml="")
        seeds(lab, 0.5)
        lab.git("switch", "--quiet", "-c", "feature")
        lab.commit("half way", train__py="RATE = 1.5\n")
        lab.commit("learn faster", train__py="RATE = 2\n")
        seeds(lab, 0.4)
    return lab


@pytest.fixture
def branched(template: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A copy of the template; the working directory is in it."""
    made = template.copy(tmp_path / "branched")
    monkeypatch.chdir(made.folder)
    return made


def test_head_by_its_code_and_base_by_the_merge_base(branched: Lab) -> None:
    found = review(branched, "main...feature", "val_loss: no worse than 1%")
    assert found.head.exact and found.base.exact
    assert found.base.commit.subject == "train a model"
    assert [len(side.runs) for side in (found.base, found.head)] == [3, 3]
    (pair,) = found.pairs
    loss = pair.metrics[0]
    assert loss.key == "val_loss" and loss.verdict == "better"
    assert loss.base is not None and loss.base.mean == pytest.approx(0.5, abs=1e-3)
    assert loss.base.spread == pytest.approx(0.00153, abs=1e-5)
    assert loss.test is not None and loss.test.p_value < 0.001
    assert loss.test.low < -0.1 < loss.test.high
    assert found.verdict is Verdict.PASSED and found.warnings == ()
    assert [file.path for file in found.code.files] == ["train.py"]


def test_the_base_moves_on_and_the_merge_base_stays(branched: Lab) -> None:
    branched.git("switch", "--quiet", "main")
    branched.commit("elsewhere", README__md="hello, world\n")
    seeds(branched, 0.45)
    found = review(branched, "main...feature")
    assert found.base.commit.subject == "train a model"
    two_dots = review(branched, "main..feature")
    assert two_dots.base.commit.subject == "elsewhere" and "main itself" in two_dots.base.why


def test_a_base_without_runs_takes_the_nearest_ancestor_and_says_which(branched: Lab) -> None:
    branched.git("switch", "--quiet", "-c", "later", "main")
    branched.commit("not run", README__md="1\n")
    branched.commit("not run either", README__md="2\n")
    branched.git("switch", "--quiet", "-c", "topic")
    branched.commit("topic", train__py="RATE = 3\n")
    seeds(branched, 0.3)
    found = review(branched, "later...topic")
    assert not found.base.exact
    assert found.base.ran is not None and found.base.ran.subject == "train a model"
    assert "the nearest ancestor with one is 2 commits before it" in found.base.why
    assert {file.path for file in found.code.files} == {"train.py", "README.md"}, "the difference since what ran"


def test_a_squash_keeps_the_head(branched: Lab) -> None:
    expected = ids(review(branched, "main...feature").head.runs)
    branched.git("switch", "--quiet", "main")
    branched.git("merge", "--quiet", "--squash", "feature")
    branched.commit("squashed")
    branched.git("branch", "-D", "feature")
    found = review(branched, "main~1...main")
    assert found.head.exact and ids(found.head.runs) == expected
    assert found.head.commit.subject == "squashed"


def test_an_amended_message_keeps_the_head(branched: Lab) -> None:
    branched.git("commit", "--quiet", "--amend", "-m", "other words")
    assert review(branched, "main...feature").head.exact


def test_a_rebase_onto_the_same_files_keeps_the_head(branched: Lab) -> None:
    branched.git("switch", "--quiet", "main")
    branched.commit("empty")
    branched.git("rebase", "--quiet", "main", "feature")
    found = review(branched, "main...feature")
    assert found.head.exact and len(found.head.runs) == 3
    assert found.base.exact, "an empty commit is the same code"


def test_a_rebase_onto_other_files_is_other_code_and_says_so(branched: Lab) -> None:
    branched.git("switch", "--quiet", "main")
    branched.commit("elsewhere", README__md="hello, world\n")
    branched.git("rebase", "--quiet", "main", "feature")
    found = review(branched, "main...feature", "val_loss: better")
    assert not found.head.exact
    assert "no run for this exact code" in found.head.why and "branch feature" in found.head.why
    assert len(found.head.runs) == 3, "what the branch ran before is shown"
    assert found.verdict is Verdict.UNDECIDED and not found.verdict.may_land
    assert any("No run for this exact code".lower() in warning.lower() for warning in found.warnings)
    assert review(branched, "main...feature", "val_loss: better", nearest=True).verdict is Verdict.PASSED


def test_code_that_matters_can_be_named(branched: Lab) -> None:
    branched.commit("docs", README__md="more\n")
    assert not review(branched, "main...feature").head.exact
    branched.write(gitruns__yaml="review:\n  code: [train.py]\n  val_loss: better\n")
    found = review(branched, "main...feature")
    assert found.head.exact and found.verdict is Verdict.PASSED


def test_a_later_commit_is_not_judged_by_the_run_before_it(branched: Lab) -> None:
    branched.commit("break it", train__py="RATE = 0\n")
    found = review(branched, "main...feature", "val_loss: better")
    assert found.verdict is Verdict.UNDECIDED
    assert found.head.ran is not None and found.head.ran.subject == "learn faster"
    assert "1 commit before" in found.head.why


def test_a_merge_into_the_branch_changes_the_base(branched: Lab) -> None:
    branched.git("switch", "--quiet", "main")
    branched.commit("on main", other__py="x\n")
    seeds(branched, 0.48)
    branched.git("switch", "--quiet", "feature")
    branched.git("merge", "--quiet", "--no-edit", "main")
    seeds(branched, 0.39)
    found = review(branched, "main...feature")
    assert found.base.commit.subject == "on main" and found.base.exact
    assert found.pairs[0].metrics[0].head is not None


def test_a_fork_of_a_fork(branched: Lab) -> None:
    branched.git("switch", "--quiet", "-c", "fork")
    branched.commit("fork", train__py="RATE = 4\n")
    seeds(branched, 0.35)
    found = review(branched, "feature...fork")
    assert found.base.commit.subject == "learn faster" and found.base.exact
    assert review(branched, "main...fork").base.commit.subject == "train a model"


def test_another_clone_reviews_the_same(branched: Lab, tmp_path: Path) -> None:
    other = tmp_path / "clone"
    run_git(tmp_path, "clone", "--quiet", "--no-local", str(branched.folder), str(other))
    run_git(other, "fetch", "--quiet", "origin", "+refs/runs/*:refs/runs/*")
    branched.repo.close()
    here = review(branched, "main...feature")
    there = build_review(Repo.open(other), Request(span="origin/main...origin/feature"))
    assert ids(here.head.runs) == ids(there.head.runs)
    assert there.pairs[0].metrics == here.pairs[0].metrics


def test_on_main_itself_the_last_commit_is_reviewed(branched: Lab) -> None:
    branched.git("switch", "--quiet", "main")
    branched.git("merge", "--quiet", "--ff-only", "feature")
    found = review(branched)
    assert found.span.base.subject == "half way"
    assert "which main has already" in found.base.why


def test_changed_files_are_other_code(branched: Lab) -> None:
    branched.commit("once more", train__py="RATE = 5\n")
    branched.write(train__py="RATE = 6\n")
    branched.run({"val_loss": 0.1})
    found = review(branched, "main...feature", "val_loss: better")
    assert not found.head.exact and found.verdict is Verdict.UNDECIDED


def test_runs_that_did_not_finish_are_said_and_not_compared(branched: Lab) -> None:
    branched.run({"val_loss": 9.0}, lr=0.1, status=RunStatus.FAILED)
    found = review(branched, "main...feature")
    assert len(found.head.runs) == 3 and len(found.head.unfinished) == 1
    assert any("did not finish" in warning for warning in found.warnings)


# Groups


def test_groups_are_paired_by_their_params(lab: Lab) -> None:
    lab.commit("first", train__py="1\n")
    for lr in (0.1, 0.01):
        for seed in (1, 2):
            lab.run({"val_loss": lr + seed / 1000}, lr=lr, seed=seed)
    lab.git("switch", "--quiet", "-c", "feature")
    lab.commit("second", train__py="2\n")
    for lr in (0.01, 0.1):
        for seed in (1, 2):
            lab.run({"val_loss": lr / 2 + seed / 1000}, lr=lr, random_seed=seed)
    found = review(lab)
    assert [len(pair.pair.head.runs) for pair in found.pairs] == [2, 2]
    for pair in found.pairs:
        assert pair.pair.base is not None
        assert pair.pair.base.params == pair.pair.head.params
        assert pair.params == (), "seeds are no difference"


def test_a_changed_param_still_finds_its_base(lab: Lab) -> None:
    lab.commit("first", train__py="1\n")
    lab.run({"val_loss": 0.5}, lr=0.1, depth=3)
    lab.run({"val_loss": 0.6}, lr=0.5, depth=9)
    lab.git("switch", "--quiet", "-c", "feature")
    lab.commit("second", train__py="2\n")
    lab.run({"val_loss": 0.4}, lr=0.1, depth=4, env=environment(numpy="2.2.0"))
    (pair,) = review(lab).pairs
    assert pair.pair.base is not None and dict(pair.pair.base.params)["depth"] == "3"
    assert [change.key for change in pair.params] == ["depth"]
    assert [change.key for change in pair.environment.packages] == ["numpy"]


def test_a_difference_that_may_be_chance_is_not_called_better(lab: Lab) -> None:
    lab.commit("first", train__py="1\n")
    for seed, loss in enumerate((0.5, 0.6, 0.4)):
        lab.run({"val_loss": loss}, seed=seed)
    lab.git("switch", "--quiet", "-c", "feature")
    lab.commit("second", train__py="2\n")
    for seed, loss in enumerate((0.49, 0.59, 0.41)):
        lab.run({"val_loss": loss}, seed=seed)
    found = review(lab, None, "val_loss: not significantly worse")
    assert found.pairs[0].metrics[0].verdict == "unclear"
    assert found.verdict is Verdict.PASSED


# Rules


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        ("val_loss: no worse than 1%", Outcome.HELD),
        ("val_loss: better", Outcome.HELD),
        ("val_loss: better by 10%", Outcome.HELD),
        ("val_loss: better by 30%", Outcome.BROKEN),
        ("val_loss: better by 0.05", Outcome.HELD),
        ("val_loss: at most 0.41", Outcome.HELD),
        ("val_loss: at most 0.39", Outcome.BROKEN),
        ("val_loss: best at most 0.41", Outcome.HELD),
        ("val_loss: max at most 0.5", Outcome.BROKEN),
        ("acc: at least 0.5", Outcome.HELD),
        ("acc: at least 0.7", Outcome.BROKEN),
        ("acc: not significantly worse", Outcome.HELD),
        ("nothing: at least 1", Outcome.BROKEN),
    ],
)
def test_rules(branched: Lab, rule: str, outcome: Outcome) -> None:
    found = review(branched, "main...feature", rule)
    assert [result.outcome for result in found.rules] == [outcome]
    assert found.verdict.may_land is (outcome is Outcome.HELD)


def test_one_percent_is_of_the_base(lab: Lab) -> None:
    lab.commit("first", train__py="1\n")
    lab.run({"val_loss": 0.5})
    lab.git("switch", "--quiet", "-c", "feature")
    lab.commit("second", train__py="2\n")
    lab.run({"val_loss": 0.505})
    assert review(lab, None, "val_loss: no worse than 1%").verdict is Verdict.PASSED
    assert review(lab, None, "val_loss: no worse than 0.9%").verdict is Verdict.FAILED


def test_nan_breaks_any_rule(lab: Lab) -> None:
    lab.commit("first", train__py="1\n")
    lab.run({"val_loss": 0.5})
    lab.git("switch", "--quiet", "-c", "feature")
    lab.commit("second", train__py="2\n")
    lab.run({"val_loss": math.nan})
    found = review(lab, None, "val_loss: no worse than 500%", "val_loss: at most 9")
    assert [result.outcome for result in found.rules] == [Outcome.BROKEN, Outcome.BROKEN]
    assert found.pairs[0].metrics[0].verdict == "diverged"
    assert "not\u00a0finite" in review_markdown(found)


def test_the_first_runs_have_no_base_and_pass(lab: Lab) -> None:
    lab.commit("first", train__py="1\n")
    lab.git("switch", "--quiet", "-c", "feature")
    lab.commit("second", train__py="2\n")
    lab.run({"val_loss": 0.5})
    found = review(lab, None, "val_loss: no worse than 1%", "val_loss: at most 1")
    assert [result.outcome for result in found.rules] == [Outcome.NO_BASE, Outcome.HELD]
    assert found.verdict is Verdict.PASSED
    assert any("nothing to compare with" in warning for warning in found.warnings)


def test_rules_that_the_change_itself_changes_are_said(branched: Lab) -> None:
    branched.git("switch", "--quiet", "main")
    branched.commit("rules", gitruns__yaml="review:\n  val_loss: better by 90%\n")
    branched.git("switch", "--quiet", "-c", "weaker")
    branched.commit("weaker", gitruns__yaml="review:\n  val_loss: no worse than 90%\n", train__py="9\n")
    seeds(branched, 0.45)
    found = review(branched, "main...weaker")
    assert any("rules of this review are changed" in warning for warning in found.warnings)
    assert found.verdict is Verdict.PASSED
    branched.git("switch", "--quiet", "main")
    from_afar = review(branched, "main...weaker")
    assert [result.rule.text for result in from_afar.rules] == ["no worse than 90%"], "rules of the head's commit"


# The command


def test_exit_codes_and_forms(branched: Lab, cli: Cli) -> None:
    assert cli("review", "main...feature").code == 0
    assert cli("review", "main...feature", "--rule", "val_loss: better").code == 0
    broken = cli("review", "main...feature", "--rule", "val_loss: at most 0.1", width=80)
    assert broken.code == 1 and broken.out.startswith("Failed: 1 of 1 rule is broken")
    assert cli("review", "nowhere...feature").code == 12
    assert cli("review", "--rule", "what").code == 2
    assert cli("review", "--rule", "loss: sideways").code == 2
    assert cli("review", "--rule", "strange: better").code == 2
    found = json.loads(cli("review", "main...feature", "--json").out)
    assert found["verdict"] == "no rules" and found["groups"][0]["metrics"][0]["key"] == "acc"


def test_a_range_without_history_says_what_to_fetch(branched: Lab, cli: Cli, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    url = branched.folder.as_uri()
    run_git(tmp_path, "clone", "--quiet", "--depth=1", "--no-single-branch", url, str(shallow))
    result = cli("-C", str(shallow), "review", "origin/main...origin/feature")
    assert result.code == 12 and "git fetch --unshallow" in result.err


def test_the_same_input_gives_the_same_bytes(branched: Lab, cli: Cli, tmp_path: Path) -> None:
    branched.write(gitruns__yaml="review:\n  val_loss: better\n  acc: at least 0.99\n")
    branched.repo.close()
    copy = tmp_path / "copy"
    shutil.copytree(branched.folder, copy, symlinks=True)
    shutil.rmtree(copy / ".git" / "gitruns", ignore_errors=True)  # index and cache: nothing is true only there
    settings = {"diff.noprefix": "true", "diff.context": "9", "diff.algorithm": "patience", "core.abbrev": "20"}
    for key, value in settings.items():
        run_git(copy, "config", key, value)
    for form in ("--html", "--markdown", "--json"):
        first = cli("review", "main...feature", form)
        second = cli("-C", str(copy), "review", "main...feature", form)
        assert first.code == second.code == 1
        assert first.out == second.out and len(first.out) > 500


def test_a_comment_is_never_longer_than_a_host_takes(branched: Lab) -> None:
    branched.commit("huge", **{f"file{number}": "x" * 400 + "\n" for number in range(400)})
    seeds(branched, 0.3)
    text = review_markdown(review(branched, "main...feature"))
    assert len(text) < MAX_LENGTH + 200
    assert "The difference is longer than is shown here." in text
    assert text.count("```") % 2 == 0 and text.count("<details>") == text.count("</details>")


def test_html_without_curves_needs_no_plotting(branched: Lab) -> None:
    found = review(branched, "main...feature")
    assert "<svg" in review_html(found)
    assert "<svg" not in review_html(found, curves=False)
