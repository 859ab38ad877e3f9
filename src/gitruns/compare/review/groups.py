"""Groups runs that differ by their seed alone, and finds for each group of the head the one it is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gitruns.compare.seeds import is_seed
from gitruns.entities.run import Run
from gitruns.entities.values import param_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Runs with equal params, seeds aside; `params` are those they share, as text. The first run started first."""

    runs: tuple[Run, ...]
    params: tuple[tuple[str, str], ...]

    @property
    def first(self) -> Run:
        """The run that stands for the group where only one can."""
        return self.runs[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One group of the head, and the group of the base it is measured against, None where there is none like it."""

    base: Group | None
    head: Group


def group_runs(runs: Sequence[Run]) -> list[Group]:
    """Returns the groups, in order of experiment, entry point and params."""
    found: dict[tuple[object, ...], list[Run]] = {}
    for run in runs:
        params = tuple(sorted((key, param_text(value)) for key, value in run.params.items() if not is_seed(key)))
        found.setdefault((run.info.experiment_id, run.info.entry_point or "", params), []).append(run)
    groups = []
    for _, alike in sorted(found.items(), key=lambda item: str(item[0])):
        alike.sort(key=lambda run: (run.info.start_time_ms, run.info.id))
        params = tuple(sorted((key, param_text(value)) for key, value in alike[0].params.items() if not is_seed(key)))
        groups.append(Group(runs=tuple(alike), params=params))
    return groups


def pair_groups(base: Sequence[Group], head: Sequence[Group]) -> list[Pair]:
    """Pairs each group of the head with the most alike one of the base; none of the base is taken twice.

    Equal params go first, then the more params agree; where nothing else is left, a group stays alone.
    """
    options = sorted(
        (
            (-_likeness(old, new), old_place, new_place)
            for old_place, old in enumerate(base)
            for new_place, new in enumerate(head)
        ),
    )
    taken_base: dict[int, int] = {}
    taken_head: dict[int, int] = {}
    for likeness, old_place, new_place in options:
        if likeness < 0 and old_place not in taken_base and new_place not in taken_head:
            taken_base[old_place], taken_head[new_place] = new_place, old_place
    return [
        Pair(base=base[taken_head[place]] if place in taken_head else None, head=group)
        for place, group in enumerate(head)
    ]


def _likeness(old: Group, new: Group) -> int:
    """How alike two groups are: 0 for runs of different experiments."""
    if old.first.info.experiment_id != new.first.info.experiment_id:
        return 0
    same_entry = old.first.info.entry_point == new.first.info.entry_point
    agreeing = len(set(old.params) & set(new.params))
    differing = len(set(old.params) ^ set(new.params))
    return 1 + 2 * agreeing + (1_000_000 if same_entry else 0) + (1_000 if not differing else 0)
