"""Laws of a model's states: bytes and back are identity; a merge is the same in any order and loses no number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitruns.entities.environment import read_only
from gitruns.entities.ids import Digest, ObjectId, RunId, WriterId
from gitruns.entities.merge.models import merge_models
from gitruns.entities.model import ModelId, ModelVersion, RegisteredModel, Stage, VersionId
from gitruns.entities.stamp import Stamp
from gitruns.entities.status import Lifecycle
from gitruns.errors import CorruptDataError, InvalidInputError
from gitruns.gitstore.codec.model import decode_model, encode_model, version_path

IDS = [VersionId(digit * 32) for digit in "abc"]
WRITERS = [WriterId("1" * 16), WriterId("2" * 16)]
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
STAMPS = st.builds(Stamp, st.integers(0, 3), st.integers(0, 1), st.sampled_from(WRITERS))


def versions(version_id: VersionId) -> st.SearchStrategy[ModelVersion]:
    """Versions of one id: what it is born with is the same in every state."""
    place = IDS.index(version_id) + 1
    return st.builds(
        ModelVersion,
        id=st.just(version_id),
        creation_time_ms=st.just(place),
        last_update_time_ms=st.integers(0, 9),
        source=st.just(f"runs:/{place}"),
        number=st.none() | st.integers(1, 5),
        claim=st.just(place),
        git_tag=st.none() | st.sampled_from([ObjectId("0" * 40), ObjectId("1" * 40)]),
        run_id=st.just(RunId(str(place) * 32)),
        run_commit=st.none() | st.just(ObjectId(str(place) * 40)),
        path=st.just("model"),
        digest=st.none() | st.just(Digest(str(place) * 64)),
        size_bytes=st.none() | st.just(7),
        user=st.none() | st.just("Ada"),
        stage=st.sampled_from(Stage),
        lifecycle=st.sampled_from(Lifecycle),
        description=TEXT,
        tags=st.dictionaries(KEYS, TEXT, max_size=2).map(read_only),
    )


@st.composite
def models(draw: st.DrawFn) -> RegisteredModel:
    """States of one model, with any stamps: more than edits can make."""
    ids = draw(st.sets(st.sampled_from(IDS)))
    held = {one: draw(versions(one)) for one in sorted(ids)}
    aliases = draw(st.dictionaries(st.sampled_from("xyz"), st.sampled_from(sorted(ids)), max_size=3)) if ids else {}
    fields = ["model/name", "model/description", "model/lifecycle", "tags/a", "aliases/x", "aliases/y", "later/field"]
    fields += [f"versions/{one}/{field}" for one in IDS for field in ("stage", "description", "lifecycle", "tags/k")]
    return RegisteredModel(
        id=ModelId("digits"),
        name=draw(st.sampled_from(["digits", "numbers"])),
        creation_time_ms=draw(st.integers(0, 3)),
        last_update_time_ms=draw(st.integers(0, 9)),
        lifecycle=draw(st.sampled_from(Lifecycle)),
        description=draw(TEXT),
        tags=read_only(draw(st.dictionaries(st.sampled_from(["a", "b"]), TEXT, max_size=2))),
        aliases=read_only(aliases),
        versions=read_only(held),
        stamps=read_only(draw(st.dictionaries(st.sampled_from(fields), STAMPS, max_size=6))),
        unknown=read_only(draw(st.dictionaries(st.sampled_from(["later.yaml", "more/x"]), st.binary(max_size=4)))),
    )


@given(models())
def test_files_and_back(model: RegisteredModel) -> None:
    files = encode_model(model)
    found = decode_model(files)
    assert found == model
    assert encode_model(found) == files


def text(model: RegisteredModel) -> dict[str, bytes]:
    return encode_model(model)


@settings(max_examples=50)
@given(models(), models(), models())
def test_a_merge_does_not_depend_on_order_or_grouping(
    one: RegisteredModel, two: RegisteredModel, three: RegisteredModel
) -> None:
    whole = text(merge_models([one, two, three]))
    assert text(merge_models([three, one, two])) == whole
    assert text(merge_models([merge_models([one, two]), three])) == whole
    assert text(merge_models([one, merge_models([two, three])])) == whole
    assert text(merge_models([one, one, two, three, two])) == whole


@given(models())
def test_a_merge_of_one_changes_nothing_that_was_edited(model: RegisteredModel) -> None:
    again = merge_models([model, model])
    assert text(again) == text(merge_models([model]))
    assert set(again.versions) == set(model.versions)


@given(models(), models())
def test_no_version_and_no_number_is_lost(one: RegisteredModel, two: RegisteredModel) -> None:
    merged = merge_models([one, two])
    assert set(merged.versions) == {*one.versions, *two.versions}
    for version_id, version in merged.versions.items():
        given_ = [state.versions[version_id].number for state in (one, two) if version_id in state.versions]
        numbers = [number for number in given_ if number is not None]
        assert version.number == (min(numbers) if numbers else None)
        assert version.run_id is not None
    # Each number or claim that somebody knew is still known, or a lower one of the same version: none is free again.
    assert merged.greatest_number() >= max(
        (version.claim or 0 for state in (one, two) for version in state.versions.values()), default=0
    )


@given(models(), STAMPS, STAMPS)
def test_the_last_writer_of_an_alias_wins(model: RegisteredModel, first: Stamp, second: Stamp) -> None:
    if len(model.versions) < 2 or first == second:
        return
    left, right = sorted(model.versions)[:2]

    def with_alias(version: VersionId | None, stamp: Stamp) -> RegisteredModel:
        aliases = {} if version is None else {"x": version}
        return replace(model, aliases=read_only(aliases), stamps=read_only({"aliases/x": stamp}))

    merged = merge_models([with_alias(left, first), with_alias(right, second)])
    assert merged.aliases["x"] == (left if first > second else right)
    # A deletion is an edit like any other: a tombstone.
    gone = merge_models([with_alias(left, first), with_alias(None, second)])
    assert ("x" in gone.aliases) == (first > second)


def sample(**changes: Any) -> RegisteredModel:
    version = ModelVersion(id=IDS[0], creation_time_ms=1, last_update_time_ms=1, source="x", number=1)
    model = RegisteredModel(
        id=ModelId("digits"), name="digits", creation_time_ms=1, last_update_time_ms=2, versions={version.id: version}
    )
    return replace(model, **changes)


PATH = version_path(IDS[0])


@pytest.mark.parametrize(
    ("path", "data", "why"),
    [
        ("format", None, "format"),
        ("model.yaml", None, "missing"),
        ("model.yaml", b'"id": "digits"\n', "is missing"),
        ("aliases.yaml", b'"x": "%s"\n' % (b"f" * 32), "names no version"),
        ("aliases.yaml", b'"x": 3\n', "not text"),
        (PATH, b"{}\n", "id"),
        (PATH, ("later", 1), "no key of this file"),
        (PATH, ("number", 0), "begin at 1"),
        (PATH, ("number", True), "integer"),
        (PATH, ("stage", "Live"), "one of None"),
        (PATH, ("id", "b" * 32), "file's name"),
        (PATH, ("run_id", "../x"), "run id"),
        (PATH, ("digest", "abc"), "SHA-256"),
        (PATH, ("git_tag", "HEAD"), "object id"),
        (PATH, ("tag/x", 1), "not text"),
    ],
)
def test_what_does_not_fit_is_refused_by_place(path: str, data: Any, why: str) -> None:
    files = encode_model(sample())
    if data is None:
        del files[path]
    elif isinstance(data, bytes):
        files[path] = data
    else:
        from gitruns.entities.canonical import encode_mapping, parse_mapping

        files[path] = encode_mapping({**parse_mapping(files[path]), data[0]: data[1]})
    with pytest.raises(CorruptDataError, match=why) as error:
        decode_model(files)
    assert path in str(error.value)


def test_a_newer_format_is_shown_and_not_merged() -> None:
    files = encode_model(sample()) | {"format": b"gitruns 2\n", "later.yaml": b"x"}
    files[PATH] = files[PATH].replace(b'"stage"', b'"later": 1\n"stage"')
    newer = decode_model(files)
    assert (newer.format_version, newer.versions[IDS[0]].number) == (2, 1)
    with pytest.raises(InvalidInputError) as error:
        merge_models([newer, sample()])
    assert error.value.kind == "format-too-new"
    with pytest.raises(InvalidInputError, match="several models"):
        merge_models([sample(), sample(id=ModelId("other"))])
