"""Credentials are found, what only looks a little like one is not, and no text makes the search slow."""

from __future__ import annotations

import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitruns.capture.secrets import RULES, find_secrets, mask_secrets, scan_stream

LETTERS = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7"


def some(length: int) -> str:
    """Made up, and put together here, so that no scanner of repositories takes this file for a leak."""
    return (LETTERS * (length // len(LETTERS) + 1))[:length]


HEX = "0123456789abcdef" * 8
FOUND = {
    "aws-access-key-id": "AKIA" + "Q3EGRZ7PLM2XVK5T",
    "aws-secret-access-key": 'aws_secret_access_key = "' + some(40) + '"',
    "private-key": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEpAIBAAKCAQEA" + some(64) + "\n",
    "age-secret-key": "AGE-SECRET-KEY-1" + ("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L" * 2)[:58],
    "github-token": "ghp_" + some(36),
    "github-fine-grained-token": "github_pat_" + some(22) + "_" + some(59),
    "gitlab-token": "glpat-" + some(20),
    "slack-token": "xoxb-" + "123456789012-1234567890123-" + some(24),
    "slack-webhook": "https://hooks.slack.com/services/T" + some(8) + "/B" + some(8) + "/" + some(24),
    "openai-key": "sk-" + some(20) + "T3BlbkFJ" + some(20),
    "openai-project-key": "sk-proj-" + some(74),
    "anthropic-key": "sk-ant-api03-" + some(93) + "AA",
    "hugging-face-token": "hf_" + some(34),
    "hugging-face-organization-token": "api_org_" + some(34),
    "google-api-key": "AIza" + some(35),
    "google-oauth-secret": "GOCSPX-" + some(28),
    "google-oauth-token": "ya29." + some(60),
    "azure-storage-key": "AccountKey=" + some(86) + "==",
    "databricks-token": "dapi" + HEX[:32],
    "digitalocean-token": "dop_v1_" + HEX[:64],
    "groq-key": "gsk_" + some(52),
    "npm-token": "npm_" + some(36),
    "npm-registry-token": "//registry.example.org/:_authToken=" + some(30),
    "pypi-token": "pypi-AgE" + some(80),
    "replicate-token": "r8_" + some(37),
    "sendgrid-key": "SG." + some(22) + "." + some(43),
    "stripe-key": "sk_live_" + some(24),
    "vault-token": "hvs." + some(90),
    "wandb-key": "WANDB_API_KEY=" + HEX[:40],
}

HARMLESS = [
    "ghp_" + "x" * 36,
    "AKIA" + "*" * 16,
    "if '-----BEGIN RSA " + "PRIVATE KEY-----' in text:\n    raise ValueError('a private key')\n",
    "openssl genrsa writes a PRIVATE KEY",
    "sk-learn and sk-proj-small",
    "tokenizer.pad_token = '<pad>'; max_tokens = 512; hf_hub_download(repo)",
    "AIzaShort",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "dapibus est ultricies integer quis auctor elit sed vulputate mi sit",
    "AWS_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY",
    'wandb_api_key = os.environ["WANDB_API_KEY"]',
]


@pytest.mark.parametrize("rule", sorted(FOUND))
@pytest.mark.parametrize("around", ["{}", "key = '{}'\n", '{{"k": "{}"}}', "# {}, and more", "\u00e9{}\n"])
def test_finds_each_kind(rule: str, around: str) -> None:
    text = around.replace("{{", "{").replace("}}", "}").replace("{}", FOUND[rule])
    assert rule in {name for name, _ in find_secrets(text.encode())}


def test_every_rule_has_an_example() -> None:
    assert set(FOUND) == {rule.name for rule in RULES}


@pytest.mark.parametrize("text", HARMLESS)
def test_lets_harmless_text_be(text: str) -> None:
    assert list(find_secrets(text.encode())) == []


def test_our_own_sources_are_harmless() -> None:
    import gitruns.capture.secrets as module

    assert module.__file__ is not None
    with open(module.__file__, "rb") as stream:
        assert scan_stream(stream) == set()


def test_finds_one_that_a_chunk_cuts() -> None:
    token = FOUND["github-token"].encode()
    for cut in (0, 1, len(token) // 2, len(token) - 1, len(token)):
        data = b" " * ((1 << 20) - cut) + token + b" " * 10
        assert scan_stream(io.BytesIO(data)) == {token}


@given(st.text(), st.sampled_from(sorted(FOUND)), st.text())
def test_masking_leaves_nothing_to_find(before: str, rule: str, after: str) -> None:
    masked = mask_secrets(f"{before} {FOUND[rule]} {after}")
    assert "***" in masked
    assert list(find_secrets(masked.encode("utf-8", "replace"))) == []


@pytest.mark.parametrize("mark", sorted({mark for rule in RULES for mark in rule.marks}))
def test_hostile_text_does_not_make_it_slow(mark: str) -> None:
    """Beginnings, thousands of them, that lead nowhere."""
    for filler in ("", "a", " ", "-", "=", "A" * 39 + " "):
        data = ((mark + filler) * (100_000 // len(mark + filler))).encode()
        started = time.process_time()
        list(find_secrets(data))
        assert time.process_time() - started < 0.5
