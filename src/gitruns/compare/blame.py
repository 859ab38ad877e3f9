"""Who is to thank for a record: between successive records of a metric, what changed, the likeliest cause first.

Each change of code, params, packages or data between a record and the one before gets a share of the step. What other
runs have varied alone is measured by them (`evidence`); what is left is shared among the rest by how likely such a
change is a cause at all: a comment hardly, a seed hardly, code and data most.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitruns.compare.changes import Change
from gitruns.compare.code import CodeDiff, diff_sources, git_diff_text
from gitruns.compare.datasets import digests_of
from gitruns.compare.directions import Direction
from gitruns.compare.evidence import Effect, Factor, Observation, effect_of
from gitruns.compare.hunks import Hunk, file_weight, parse_hunks
from gitruns.compare.metrics import best_of
from gitruns.compare.run_diff import RunDiff, diff_of
from gitruns.compare.seeds import is_seed
from gitruns.entities.ids import ObjectId
from gitruns.entities.run import Run, RunStatus
from gitruns.entities.values import param_text

if TYPE_CHECKING:
    from gitruns.repo import Repo

MISSING = "\0missing"
"""The value of a factor that a run does not have; no param, version or digest holds a NUL."""

_MAX_EVIDENCE = 2000
_MAX_HUNKS = 400
_NO_EFFECT = 0.05
_LIBRARIES = frozenset(
    """
    torch torchvision numpy scipy scikit-learn tensorflow keras jax jaxlib flax xgboost lightgbm catboost transformers
    tokenizers datasets accelerate pandas polars statsmodels timm sentence-transformers
    """.split()
)
_VERSION = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One change, and the share of the step that it may have made (0 to 1).

    `kind` is `code`, `param`, `package`, `data` or `environment`. `effect` is what other runs measured of it; None
    where none varied it alone. `hunk` is the changed place of code.
    """

    kind: str
    key: str
    before: str | None
    after: str | None
    share: float
    effect: Effect | None = None
    hunk: Hunk | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record: the run that set it, the one it beat (None for the first), and the causes, likeliest first."""

    run: Run
    value: float
    before: Run | None
    value_before: float | None
    causes: tuple[Cause, ...] = ()
    code: CodeDiff | None = None

    @property
    def delta(self) -> float | None:
        """How far it went beyond the record before."""
        return None if self.value_before is None else self.value - self.value_before


def records_of(runs: Sequence[Run], metric: str, direction: Direction) -> list[tuple[Run, float]]:
    """Returns the finished runs that each had a better best value than all that were started before."""
    found: list[tuple[Run, float]] = []
    for run in sorted(runs, key=lambda run: (run.info.start_time_ms, run.info.id)):
        value = best_of(run.metrics.get(metric), direction)
        if value is None or not math.isfinite(value) or run.info.status is not RunStatus.FINISHED:
            continue
        if not found or direction.is_better(value, found[-1][1]):
            found.append((run, value))
    return found


def blame(
    repo: Repo, metric: str, runs: Sequence[Run], direction: Direction, *, last: int | None = None
) -> list[Record]:
    """Returns the records of a metric among some runs, the first one first, each with its likely causes.

    `last` limits how many of the newest are explained.
    """
    listed = records_of(runs, metric, direction)
    explained = len(listed) if last is None else last
    observed = _Observed(repo, runs, metric, direction)
    records = []
    for place, (run, value) in enumerate(listed):
        before = listed[place - 1] if place else None
        record = Record(
            run=run, value=value, before=before[0] if before else None, value_before=before[1] if before else None
        )
        if before is not None and place >= len(listed) - explained:
            record = _explained(repo, record, before[0], observed)
        records.append(record)
    return records


def _explained(repo: Repo, record: Record, before: Run, observed: _Observed) -> Record:
    old, new = repo.get_run(before.info.id), repo.get_run(record.run.info.id)
    code = diff_sources(repo, old.info.source, new.info.source)
    diff = diff_of(old, new, code=code)
    suspects = [*_suspects(diff), *_code_suspects(repo, code, new.info.entry_point)]
    causes = _shared(suspects, record, observed)
    return replace(record, causes=tuple(causes), code=code)


# Suspects


@dataclass(frozen=True, slots=True, kw_only=True)
class _Suspect:
    """One change before it is judged: a factor, its values, and how likely such a change is a cause."""

    factor: Factor
    before: str
    after: str
    weight: float
    hunks: tuple[Hunk, ...] = ()


def _suspects(diff: RunDiff) -> list[_Suspect]:
    found = [
        _Suspect(
            factor=("param", change.key),
            before=MISSING if change.added else param_text(change.before),
            after=MISSING if change.removed else param_text(change.after),
            weight=0.02 if is_seed(change.key) else 1.0,
        )
        for change in diff.params
    ]
    environment = diff.environment
    found += [
        _of_text("package", change, _package_weight(change.key, len(environment.packages)))
        for change in environment.packages
    ]
    others = (*environment.base, *environment.hardware, *environment.variables)
    found += [_of_text("environment", change, 0.1) for change in others]
    found += [_of_text("data", change, _data_weight(change.key)) for change in diff.datasets]
    return [_jump(suspect) if suspect.factor[0] == "package" else suspect for suspect in found]


def _of_text(kind: str, change: Change[str], weight: float) -> _Suspect:
    return _Suspect(
        factor=(kind, change.key),
        before=MISSING if change.before is None else change.before,
        after=MISSING if change.after is None else change.after,
        weight=weight,
    )


def _data_weight(name: str) -> float:
    """What a run learns from changes more than what it is measured on; data without a context may be either."""
    return 1.2 if "train" in name.lower() or "(" not in name else 0.9


def _package_weight(name: str, count: int) -> float:
    """Libraries that compute count; of all others together no more than of one of those, however many change."""
    return 0.6 if name.lower() in _LIBRARIES else 0.2 / max(count, 2)


def _jump(suspect: _Suspect) -> _Suspect:
    """A new major version changes more than a patch."""
    old, new = (_VERSION.findall(text)[:2] for text in (suspect.before, suspect.after))
    factor = 1.5 if old[:1] != new[:1] else 1.0 if old != new else 0.5
    return replace(suspect, weight=suspect.weight * factor)


def _code_suspects(repo: Repo, code: CodeDiff, entry_point: str | None) -> list[_Suspect]:
    if not code.files or code.before is None or code.after is None:
        return []
    text = git_diff_text(repo, code.before, code.after, context_lines=1)
    hunks: dict[str, list[Hunk]] = {}
    for hunk in parse_hunks(text)[:_MAX_HUNKS]:
        hunks.setdefault(hunk.path, []).append(hunk)
    paths = [file.path for file in code.files]
    old = _blobs(repo, code.before, [file.old_path or file.path for file in code.files])
    new = _blobs(repo, code.after, paths)
    found = []
    for place, path in enumerate(paths):
        own = tuple(sorted(hunks.get(path, ()), key=lambda hunk: -hunk.weight))
        strongest = own[0].weight if own else 0.5
        found.append(
            _Suspect(
                factor=("code", path),
                before=old[place],
                after=new[place],
                weight=file_weight(path, entry_point) * strongest,
                hunks=own,
            )
        )
    return found


def _blobs(repo: Repo, commit: ObjectId, paths: Sequence[str]) -> list[str]:
    """The object id of each path in a commit, `MISSING` where there is none."""
    return file_objects(repo, [(commit, path) for path in paths])


def file_objects(repo: Repo, wanted: Sequence[tuple[ObjectId, str]]) -> list[str]:
    """Returns the object id of each path in its commit (or tree), `MISSING` where there is none; git is asked once."""
    names = [f"{commit}:{path}" for commit, path in wanted]
    # A name is a line: one that holds a line end cannot be asked for, and is looked for under a name that nobody has.
    asked = "".join(("" if "\n" in name else name) + "\n" for name in names).encode(errors="surrogateescape")
    answers = repo.store.git.run("cat-file", "--batch-check=%(objectname)", input=asked).split(b"\n")
    return [MISSING if b" " in answer or not answer else answer.decode() for answer in answers[: len(names)]]


# Evidence


class _Observed:
    """The runs that have the metric, and their factors, read when they are needed."""

    def __init__(self, repo: Repo, runs: Sequence[Run], metric: str, direction: Direction) -> None:
        self._repo = repo
        having = [run for run in runs if metric in run.metrics and run.info.status is RunStatus.FINISHED]
        self._runs = having[:_MAX_EVIDENCE]
        self._values = [best_of(run.metrics[metric], direction) for run in self._runs]
        self._whole: dict[str, Run] = {}
        self._files: dict[tuple[ObjectId, str], str] = {}

    def observations(self, factors: Sequence[Factor]) -> list[Observation]:
        """Returns every run with its values of these factors."""
        paths = [key for kind, key in factors if kind == "code"]
        self._learn_files(paths)
        return [
            Observation(value=value, factors={factor: self._value(run, factor) for factor in factors})
            for run, value in zip(self._runs, self._values, strict=True)
            if value is not None
        ]

    def _value(self, run: Run, factor: Factor) -> str | None:
        kind, key = factor
        if kind == "param":
            return param_text(run.params[key]) if key in run.params else MISSING
        if kind == "code":
            commit = run.info.source.commit
            return None if commit is None else self._files.get((commit, key))
        whole = self._full(run)
        if kind == "data":
            return digests_of(whole.inputs).get(key, MISSING)
        environment = whole.environment
        if environment is None:
            return None
        groups: tuple[Mapping[str, str], ...] = (environment.packages,)
        if kind == "environment":
            base = {"python": environment.python, "platform": environment.platform}
            groups = (base, environment.hardware, environment.variables)
        return next((group[key] for group in groups if key in group), MISSING)

    def _full(self, run: Run) -> Run:
        if run.info.id not in self._whole:
            self._whole[run.info.id] = self._repo.get_run(run.info.id)
        return self._whole[run.info.id]

    def _learn_files(self, paths: Sequence[str]) -> None:
        commits = {run.info.source.commit for run in self._runs if run.info.source.commit is not None}
        here = [commit for commit in sorted(commits) if self._repo.store.backend.has_object(commit)]
        new = [(commit, path) for commit in here for path in paths if (commit, path) not in self._files]
        if not new:
            return
        for key, found in zip(new, file_objects(self._repo, new), strict=True):
            self._files[key] = found


# Shares


def _shared(suspects: Sequence[_Suspect], record: Record, observed: _Observed) -> list[Cause]:
    """Gives each suspect its share: measured where other runs varied it alone, the rest by weight."""
    factors = [suspect.factor for suspect in suspects]
    observations = observed.observations(factors) if len(suspects) > 1 else []
    effects = [
        effect_of(
            suspect.factor,
            suspect.before,
            suspect.after,
            [factor for factor in factors if factor != suspect.factor and not _slight(factor)],
            observations,
        )
        for suspect in suspects
    ]
    delta = record.delta or 0.0
    measured = [_measured_share(effect, delta) for effect in effects]
    explained = min(sum(share for share in measured if share is not None), 1.0)
    open_weight = sum(suspect.weight for suspect, share in zip(suspects, measured, strict=True) if share is None)
    shares = [
        share if share is not None else (1.0 - explained) * suspect.weight / open_weight if open_weight else 0.0
        for suspect, share in zip(suspects, measured, strict=True)
    ]
    ranked = sorted(range(len(suspects)), key=lambda place: (-round(shares[place], 9), suspects[place].factor))
    return [cause for place in ranked for cause in _causes(suspects[place], shares[place], effects[place])]


def _slight(factor: Factor) -> bool:
    """Runs need not agree in what can hardly matter."""
    kind, key = factor
    return (kind == "param" and is_seed(key)) or (kind == "code" and file_weight(key) < _NO_EFFECT)


def _measured_share(effect: Effect | None, delta: float) -> float | None:
    if effect is None or not delta:
        return None
    share = effect.amount / delta
    return min(share, 1.0) if share > _NO_EFFECT else 0.0


def _causes(suspect: _Suspect, share: float, effect: Effect | None) -> list[Cause]:
    kind, key = suspect.factor
    whole = Cause(
        kind=kind,
        key=key,
        before=None if suspect.before == MISSING else suspect.before,
        after=None if suspect.after == MISSING else suspect.after,
        share=share,
        effect=effect,
    )
    if not suspect.hunks:
        return [whole]
    weights = sum(hunk.weight for hunk in suspect.hunks)
    return [replace(whole, share=share * hunk.weight / weights, hunk=hunk) for hunk in suspect.hunks]
