"""The quick reading of `metrics.yaml` says what the careful one says, or leaves it to that."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitruns.entities.values import MetricSummary
from gitruns.errors import CorruptDataError
from gitruns.gitstore.codec import metrics
from gitruns.gitstore.codec.metrics import decode_summaries, encode_summaries

WHOLE = st.integers(-(2**63), 2**63 - 1)
NUMBER = st.floats(allow_nan=True)
SUMMARY = st.builds(
    MetricSummary,
    count=st.integers(1, 2**63 - 1),
    nan=st.sampled_from((0, 0, 0, 1)),
    first=NUMBER,
    first_step=WHOLE,
    first_time_ms=WHOLE,
    last=NUMBER,
    step=WHOLE,
    time_ms=WHOLE,
    min=NUMBER,
    max=NUMBER,
    mean=NUMBER,
)
KEY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20) | st.sampled_from(
    ("a", "val loss", "x/y")
)


def both(data: bytes) -> tuple[str, str]:
    """What the quick and the careful reading say, errors too."""
    said = []
    for plain in (metrics._plain_summaries, lambda data: None):
        with patch.object(metrics, "_plain_summaries", plain):
            try:
                said.append(repr(sorted(decode_summaries(data, "metrics.yaml").items())))
            except CorruptDataError as error:
                said.append(f"error {error}")
    return said[0], said[1]


@given(st.dictionaries(KEY, SUMMARY, max_size=4))
def test_both_readings_agree(summaries: dict[str, MetricSummary]) -> None:
    quick, careful = both(encode_summaries(summaries))
    assert quick == careful


PLAIN = encode_summaries(
    {
        key: MetricSummary(
            count=2,
            nan=0,
            first=1.5,
            first_step=0,
            first_time_ms=5,
            last=-2e-7,
            step=3,
            time_ms=9,
            min=0.1,
            max=2.0,
            mean=1.0,
        )
        for key in ("acc", "loss")
    }
)


@given(
    st.integers(0, len(PLAIN) - 1),
    st.sampled_from([b"", b"0", b"1", b"-", b".", b"e", b'"', b" ", b"\n", b"{", b":", b"\xff"]),
)
def test_a_changed_byte_is_read_alike(place: int, byte: bytes) -> None:
    for data in (PLAIN[:place] + byte + PLAIN[place + 1 :], PLAIN[:place] + byte + PLAIN[place:]):
        quick, careful = both(data)
        assert quick == careful


def test_plain_files_take_the_quick_way() -> None:
    assert metrics._plain_summaries(PLAIN) is not None


@pytest.mark.parametrize(
    "data", [b"", b"{}\n", PLAIN + PLAIN, PLAIN[:-1], b"\n" + PLAIN, PLAIN.replace(b"1.5", b".nan")]
)
def test_others_do_not(data: bytes) -> None:
    assert metrics._plain_summaries(data) is None
