"""Every ref's name is legal to git, safe on any file system, and read back by who made it."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given

from gitruns.entities.ids import ExperimentId, RunId
from gitruns.errors import InvalidInputError
from gitruns.gitstore.refs import (
    MAX_MODEL_REF_LENGTH,
    decode_model_name,
    encode_model_name,
    experiment_id_of,
    experiment_ref,
    local_source_ref,
    model_id_candidate,
    model_id_ref,
    run_id_of,
    run_ref,
)
from gitruns.testing.strategies import names
from gitstore.samples import RUN

MODELS = {
    "digits": "digits",
    "digits-v2.1_x": "digits-v2.1_x",
    "Digits": "=44igits",
    "my model": "=6dy=20model",
    "team/model": "=74eam=2fmodel",
    "../../etc/passwd": "=2e=2e=2f=2e=2e=2fetc=2fpasswd",
    "a..b": "=61=2e=2eb",
    "a.lock": "=61=2elock",
    "a.": "=61=2e",
    "-x": "=2dx",
    "_x": "=5fx",
    "=44igits": "=3d44igits",
    "con": "=63on",
    "aux.txt": "=61ux=2etxt",
    "é": "=c3=a9",
    "@{x}": "=40=7bx=7d",
    "HEAD": "=48=45=41=44",
}


@pytest.mark.parametrize(("name", "part"), MODELS.items())
def test_names_of_models(name: str, part: str) -> None:
    assert encode_model_name(name) == part
    assert decode_model_name(part) == name
    subprocess.run(["git", "check-ref-format", model_id_ref(model_id_candidate(name))], check=True)


@given(names, names)
def test_names_of_models_stay_apart_also_where_case_does_not_count(one: str, two: str) -> None:
    first, second = encode_model_name(one), encode_model_name(two)
    assert (first.lower() == second.lower()) == (one == two)
    assert len(first) <= MAX_MODEL_REF_LENGTH
    assert set(first) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-=")
    assert ".." not in first
    assert decode_model_name(first) == (one if "==" not in first else None)


@given(names)
def test_what_no_name_becomes_is_not_read(part: str) -> None:
    name = decode_model_name(part)
    assert name is None or encode_model_name(name) == part


def test_a_long_name_ends_in_its_digest() -> None:
    long, longer = "é" * 500, "é" * 501
    assert len(encode_model_name(long)) <= MAX_MODEL_REF_LENGTH
    assert encode_model_name(long) != encode_model_name(longer)
    assert decode_model_name(encode_model_name(long)) is None
    subprocess.run(["git", "check-ref-format", model_id_ref(model_id_candidate(long))], check=True)
    plain = "a" * 300
    assert encode_model_name(plain) != plain
    with pytest.raises(InvalidInputError):
        encode_model_name("")


def test_ids_come_back() -> None:
    assert run_ref(RUN) == f"refs/runs/{RUN}"
    assert run_id_of(run_ref(RUN)) == RUN
    experiment = ExperimentId("123456789012345678")
    assert experiment_id_of(experiment_ref(experiment)) == experiment
    assert experiment_id_of(experiment_ref(ExperimentId("0"))) == "0"


@pytest.mark.parametrize("ref", ["refs/runs/archive/" + "a" * 32, "refs/heads/main", "refs/runs/" + "A" * 32, "x"])
def test_other_refs_hold_no_run(ref: str) -> None:
    assert run_id_of(ref) is None
    assert experiment_id_of(ref) is None


@pytest.mark.parametrize("text", ["", "..", "../heads/main", "A" * 32, "a" * 31, "a" * 32 + "\n", "latest"])
def test_an_id_from_outside_never_becomes_a_ref(text: str) -> None:
    for make in (run_ref, local_source_ref):
        with pytest.raises(InvalidInputError):
            make(RunId(text))
    with pytest.raises(InvalidInputError):
        experiment_ref(ExperimentId(text))
