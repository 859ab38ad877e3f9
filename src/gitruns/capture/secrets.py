"""Credentials that must not reach git: a small set of forms that are hardly ever anything else.

Each rule has marks, fixed texts of which one is in every match. Files are searched for the marks first, which costs
next to nothing, and a pattern is compiled only when its mark was seen. Every repetition in a pattern is bounded or
over one class of characters, so that hostile text cannot make a search slow.
Source: the public token formats of the issuers, as gitleaks' default rules collect them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import BinaryIO

_CHUNK_BYTES = 1 << 20
_OVERLAP_BYTES = 4096
"""More than the longest match, so that one that a chunk cuts is whole in the next."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One form of credential: its name, its marks, and the pattern of the whole."""

    name: str
    marks: tuple[str, ...]
    pattern: str


def _assigned(names: str, value: str) -> str:
    """A pattern of the value given to one of some settings: in a shell, Python, YAML, JSON or ini file."""
    return rf"(?:{names})[\"']?\s{{0,8}}(?:=|:|=>)\s{{0,8}}[\"']?{value}"


RULES: tuple[Rule, ...] = (
    Rule("aws-access-key-id", ("AKIA", "ASIA", "ABIA", "ACCA"), r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"),
    Rule(
        "aws-secret-access-key",
        ("secret_access_key", "SECRET_ACCESS_KEY", "SecretAccessKey", "secretAccessKey"),
        _assigned("secret_access_key|SECRET_ACCESS_KEY|[sS]ecretAccessKey", r"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"),
    ),
    # The header alone is in many programs and documents; with key material behind it, it is a key.
    Rule(
        "private-key",
        ("PRIVATE KEY",),
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]{0,160}?[A-Za-z0-9+/]{40}",
    ),
    Rule("age-secret-key", ("AGE-SECRET-KEY-1",), r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    Rule("github-token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"\bgh[pousr]_[A-Za-z0-9]{36,255}"),
    Rule("github-fine-grained-token", ("github_pat_",), r"\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    Rule(
        "gitlab-token",
        ("glpat-", "gldt-", "glptt-", "glrt-", "glsoat-", "glcbt-", "glft-"),
        r"\bgl(?:pat|dt|ptt|rt|soat|cbt|ft)-[A-Za-z0-9_-]{20,200}",
    ),
    Rule(
        "slack-token",
        ("xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe-", "xoxe.", "xapp-"),
        r"\b(?:xox[bpars]-[0-9A-Za-z]{1,20}-[0-9A-Za-z-]{10,200}|xoxe[.-][0-9A-Za-z.-]{20,300}"
        r"|xapp-[0-9]-[A-Z0-9]{5,20}-[0-9]{5,20}-[a-z0-9]{10,100})",
    ),
    Rule(
        "slack-webhook",
        ("hooks.slack.com/",),
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{30,120}",
    ),
    Rule(
        "openai-key",
        ("T3BlbkFJ",),
        r"\bsk-(?:[a-z]{2,10}-)?[A-Za-z0-9_-]{16,120}T3BlbkFJ[A-Za-z0-9_-]{16,120}",
    ),
    Rule("openai-project-key", ("sk-proj-", "sk-svcacct-", "sk-admin-"), r"\bsk-(?:proj|svcacct|admin)-[\w-]{40,250}"),
    Rule("anthropic-key", ("sk-ant-",), r"\bsk-ant-[a-z]{3,10}[0-9]{2}-[\w-]{60,200}"),
    Rule("hugging-face-token", ("hf_",), r"\bhf_[A-Za-z0-9]{34,64}\b"),
    Rule("hugging-face-organization-token", ("api_org_",), r"\bapi_org_[A-Za-z0-9]{34}\b"),
    Rule("google-api-key", ("AIza",), r"\bAIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])"),
    Rule("google-oauth-secret", ("GOCSPX-",), r"\bGOCSPX-[0-9A-Za-z_-]{24,40}"),
    Rule("google-oauth-token", ("ya29.",), r"\bya29\.[0-9A-Za-z_-]{40,400}"),
    Rule("azure-storage-key", ("AccountKey=",), r"AccountKey=[A-Za-z0-9+/]{86}=="),
    Rule("databricks-token", ("dapi",), r"\bdapi[a-f0-9]{32}(?:-[0-9])?\b"),
    Rule("digitalocean-token", ("dop_v1_", "doo_v1_", "dor_v1_"), r"\bdo[opr]_v1_[a-f0-9]{64}\b"),
    Rule("groq-key", ("gsk_",), r"\bgsk_[A-Za-z0-9]{52}\b"),
    Rule("npm-token", ("npm_",), r"\bnpm_[A-Za-z0-9]{36}\b"),
    Rule("npm-registry-token", ("_authToken",), r"_authToken\s{0,4}=\s{0,4}[A-Za-z0-9_-]{20,200}"),
    Rule("pypi-token", ("pypi-AgE",), r"\bpypi-AgE[\w-]{50,400}"),
    Rule("replicate-token", ("r8_",), r"\br8_[A-Za-z0-9]{37}\b"),
    Rule("sendgrid-key", ("SG.",), r"\bSG\.[\w-]{20,24}\.[\w-]{39,50}"),
    Rule("stripe-key", ("sk_live_", "rk_live_"), r"\b[sr]k_live_[0-9A-Za-z]{20,100}"),
    Rule("vault-token", ("hvs.", "hvb."), r"\bhv[sb]\.[\w-]{80,300}"),
    Rule(
        "wandb-key",
        ("WANDB_API_KEY", "wandb_api_key", "api.wandb.ai"),
        r"(?:(?:WANDB_API_KEY|wandb_api_key)[\"']?\s{0,8}[=:,]|api\.wandb\.ai\s{1,20}login\s{1,20}user\s{1,20}password)"
        r"\s{0,8}[\"']?(?:[0-9a-f]{40}\b|wandb_v1_[\w-]{40,200})",
    ),
)

_PLACEHOLDERS = frozenset("xX*._-0#")


@cache
def _bytes_pattern(rule: Rule) -> re.Pattern[bytes]:
    return re.compile(rule.pattern.encode())


@cache
def _text_pattern(rule: Rule) -> re.Pattern[str]:
    return re.compile(rule.pattern, re.ASCII)


_MARKS: tuple[tuple[bytes, Rule], ...] = tuple((mark.encode(), rule) for rule in RULES for mark in rule.marks)


def find_secrets(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yields the name of the rule and the matched bytes of each suspected credential."""
    searched: set[str] = set()
    for mark, rule in _MARKS:
        if mark in data and rule.name not in searched:
            searched.add(rule.name)
            for match in _bytes_pattern(rule).finditer(data):
                if not _is_placeholder(match.group()):
                    yield rule.name, match.group()


def _is_placeholder(match: bytes) -> bool:
    """Whether the credential is one of a document: `ghp_xxxxxxxx…`."""
    return len(set(match[-16:].decode("latin-1"))) == 1 and chr(match[-1]) in _PLACEHOLDERS


def scan_stream(stream: BinaryIO, *, limit_bytes: int | None = None) -> set[bytes]:
    """Returns the suspected credentials in a stream, read to its end (or `limit_bytes`) in bounded memory."""
    found: set[bytes] = set()
    tail = b""
    seen = 0
    while limit_bytes is None or seen < limit_bytes:
        chunk = stream.read(_CHUNK_BYTES)
        if not chunk:
            break
        seen += len(chunk)
        window = tail + chunk
        found.update(match for _, match in find_secrets(window))
        tail = window[-_OVERLAP_BYTES:]
    return found


def mask_secrets(text: str, mask: str = "***") -> str:
    """Returns the text with each suspected credential replaced by `mask`."""
    for rule in RULES:
        if any(mark in text for mark in rule.marks):
            text = _text_pattern(rule).sub(mask, text)
    return text
