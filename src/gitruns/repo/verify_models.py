"""Checks that registered models are what they say they are: their files, git tags, and the bytes of their versions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gitruns.entities.content import artifacts_at, digest_of
from gitruns.entities.ids import ObjectId
from gitruns.entities.model import ModelId, ModelVersion, RegisteredModel
from gitruns.errors import GitRunsError
from gitruns.gitstore.checking import damaged_files, damaged_object
from gitruns.repo.verify import Problem

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo


def verify_models(repo: Repo) -> Iterator[Problem]:
    """Yields what is wrong with the registered models, model by model."""
    for model_id, tip in sorted(repo.store.models.tips().items()):
        yield from _model_problems(repo, model_id, tip)


def _model_problems(repo: Repo, model_id: ModelId, tip: ObjectId) -> Iterator[Problem]:
    damaged = [_problem(model_id, place, why) for place, why in damaged_files(repo.store.backend, tip)]
    if damaged:
        yield from damaged
        return
    try:
        model = repo.store.models.read(tip)
    except GitRunsError as error:
        yield _problem(model_id, "tree", str(error))
        return
    if model.id != model_id:
        yield _problem(model.name, "model.yaml", f"it says that it is model '{model.id}'")
    tags = repo.store.version_tags.of_model(model_id)
    for version in model.versions.values():
        if version.number is not None:
            yield from _tag_problems(repo, model, version, tags.pop(version.number, None))
    for number in sorted(tags):
        yield _problem(model.name, _tag_name(model, number), "it names a version that this clone does not know")
    yield from _numbers_given_twice(model)


def _problem(model: str, place: str, message: str) -> Problem:
    return Problem(run_id=None, model=model, place=place, message=message)


def _tag_name(model: RegisteredModel, number: int) -> str:
    return f"git tag models/{model.id}/v{number}"


def _numbers_given_twice(model: RegisteredModel) -> Iterator[Problem]:
    bearers: dict[int, list[str]] = {}
    for version in model.versions.values():
        if version.number is not None:
            bearers.setdefault(version.number, []).append(version.id[:8])
    for number, ids in sorted(bearers.items()):
        if len(ids) > 1:
            yield _problem(model.name, f"v{number}", f"the number was given twice: {', '.join(sorted(ids))}")


def _tag_problems(
    repo: Repo, model: RegisteredModel, version: ModelVersion, held: ObjectId | None
) -> Iterator[Problem]:
    place = _tag_name(model, version.number or 0)
    if version.git_tag is None:
        return
    if held is None:
        yield _problem(model.name, place, "it is missing here: git fetch --tags brings it")
        return
    if held != version.git_tag:
        yield _problem(model.name, place, f"it is not the git tag that was made: {version.git_tag[:12]} was")
    wrong = damaged_object(repo.store.backend, held, "tag")
    if wrong:
        yield _problem(model.name, place, wrong)
        return
    try:
        says = repo.store.version_tags.read(held).says
    except GitRunsError as error:
        yield _problem(model.name, place, str(error))
        return
    facts: dict[str, tuple[str | None, str | None]] = {
        "version id": (says.version_id, version.id),
        "run": (says.run_id, version.run_id),
        "digest": (says.digest, version.digest),
        "artifact": (says.path, version.path),
    }
    for what, (told, known) in facts.items():
        if told != known:
            yield _problem(model.name, place, f"it names another {what} than the model's own record: '{told}'")
    yield from _release_problems(repo, model, version, says.target, place)


def _release_problems(
    repo: Repo, model: RegisteredModel, version: ModelVersion, target: ObjectId, place: str
) -> Iterator[Problem]:
    """The commit that a git tag is at must be what its run makes of it: then nobody has to be trusted for it."""
    if version.run_commit is None:
        return
    try:
        made = repo.store.version_tags.release_commit(version.run_commit, write=False)
    except GitRunsError as error:
        if not (repo.store.paths.shallow and error.kind == "object-missing"):  # cut off: nothing to compare with
            yield _problem(model.name, place, str(error))
        return
    if target != made:
        yield _problem(model.name, place, "it is not at the code and the run of its version")
    yield from _content_problems(repo, model, version)


def _content_problems(repo: Repo, model: RegisteredModel, version: ModelVersion) -> Iterator[Problem]:
    if version.digest is None or version.path is None or version.run_commit is None:
        return
    try:
        artifacts = repo.artifacts_of(repo.store.read_run(version.run_commit))
    except GitRunsError as error:
        yield _problem(model.name, version.label, str(error))
        return
    if digest_of(artifacts_at(artifacts, version.path), version.path) != version.digest:
        yield _problem(model.name, version.label, "its artifacts are not those that were registered")
