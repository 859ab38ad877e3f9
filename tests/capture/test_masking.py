"""What is recorded of a command line or an address holds no credential, and loses nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitruns.capture import mask_arguments, mask_text, mask_value, strip_credentials
from gitruns.capture.masking import is_secret_name


@pytest.mark.parametrize(
    "name",
    "password --password db.password MYSQL_PWD api_key API-KEY apiKey --apikey OPENAI_API_KEY secret clientSecret "
    "access_token hf_token HF_TOKEN HUGGINGFACE_TOKEN github_token --token TOKEN aws_secret_access_key private_key "
    "credentials sessionToken bot_token".split(),
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    "max_tokens num_tokens pad_token eos_token mask_token token_dim tokenizer tokens_per_second password_length lr "
    "key keys monkey num_keys secret_file secrets_path key_dim access public_key passwordless token_type_ids".split(),
)
def test_names_of_other_things(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("given_line", "recorded"),
    [
        ("train.py --lr 0.1 --epochs=3", "train.py --lr 0.1 --epochs=3"),
        ("train.py --password hunter2 --lr 0.1", "train.py --password *** --lr 0.1"),
        ("train.py --password=hunter2", "train.py --password=***"),
        ("train.py --api-key -abc", "train.py --api-key ***"),
        ("train.py --token --verbose", "train.py --token --verbose"),
        ("train.py --use-auth-token true", "train.py --use-auth-token true"),
        ("train.py HF_TOKEN=abcdef lr=0.1", "train.py HF_TOKEN=*** lr=0.1"),
        ("train.py db.password=hunter2 model.dim=3", "train.py db.password=*** model.dim=3"),
        ("train.py --pad_token <pad> --max_tokens 512", "train.py --pad_token <pad> --max_tokens 512"),
        ("train.py https://ada:pw@example.org/x", "train.py https://example.org/x"),
        ("curl -H Authorization:Bearer-abcdef", "curl -H Authorization:***"),
    ],
)
def test_command_lines(given_line: str, recorded: str) -> None:
    assert mask_arguments(given_line.split(" ")) == recorded.split(" ")


def test_arguments_with_spaces_and_json() -> None:
    given_line = ["-H", "Authorization: Bearer abcdef", '{"api_key": "a b", "lr": 1}', "-c", "x = dict(password='p w')"]
    assert mask_arguments(given_line) == [
        "-H",
        "Authorization: Bearer ***",
        '{"api_key": "***", "lr": 1}',
        "-c",
        "x = dict(password='***')",
    ]


@pytest.mark.parametrize(
    ("url", "stripped"),
    [
        ("https://ada:pw@example.org/x.git", "https://example.org/x.git"),
        ("https://some-token@example.org/x.git", "https://example.org/x.git"),
        ("https://example.org:8443/x.git", "https://example.org:8443/x.git"),
        ("ssh://git:pw@example.org/x.git", "ssh://git@example.org/x.git"),
        ("ssh://git@example.org:22/x.git", "ssh://git@example.org:22/x.git"),
        ("git+ssh://git@example.org/x.git", "git+ssh://git@example.org/x.git"),
        ("git@example.org:x.git", "git@example.org:x.git"),
        ("s3://key:secret@bucket/x", "s3://bucket/x"),
        ("postgresql://ada:p%40w@db.example.org/runs", "postgresql://db.example.org/runs"),
        ("https://example.org/x?access_token=abc&page=2", "https://example.org/x?access_token=***&page=2"),
        ("https://example.org/x?X-Amz-Signature=abc", "https://example.org/x?X-Amz-Signature=***"),
        ("https://example.org/@ada/x", "https://example.org/@ada/x"),
        ("../other.git", "../other.git"),
        ("C:\\repos\\x.git", "C:\\repos\\x.git"),
    ],
)
def test_addresses(url: str, stripped: str) -> None:
    assert strip_credentials(url) == stripped
    assert strip_credentials(stripped) == stripped


def test_values_by_their_name_and_by_their_form() -> None:
    token = "ghp_" + "aB3dE6gH9" * 4
    assert mask_value("db_password", "hunter2") == "***"
    assert mask_value("db_password", "") == ""
    assert mask_value("lr", "0.1") == "0.1"
    assert mask_value("note", f"made with {token}, fine") == "made with ***, fine"
    assert mask_value("url", "https://u:p@h/x") == "https://h/x"


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="=:/")))
def test_plain_text_stays(text: str) -> None:
    assert mask_text(text) == text


@given(st.lists(st.text()))
def test_as_many_arguments_as_before(arguments: list[str]) -> None:
    assert len(mask_arguments(arguments)) == len(arguments)
