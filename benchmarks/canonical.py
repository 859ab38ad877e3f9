"""Reading 100,000 small canonical files: the fast path against json.loads of the same content and against PyYAML.

A small file is what a run has: five to ten params or tags. `json` is the floor, since the fast path ends in the JSON
scanner; `yaml` is what a reader without it would pay, measured on fewer files and scaled.
"""

from __future__ import annotations

import json

import measure
import yaml

from gitruns.entities import canonical

FILES = 100_000
YAML_FILES = 500


def params(number: int) -> dict[str, object]:
    """What one run of a sweep logs."""
    return {
        "batch_size": 32 * (number % 8 + 1),
        "dropout": number % 10 / 10,
        "epochs": 20,
        "learning_rate": 1 / (number + 1),
        "model/depth": number % 50,
        "optimizer": "adam",
        "seed": number,
        "use_bias": number % 2 == 0,
    }


def main() -> None:
    contents = [params(number) for number in range(FILES)]
    files = [canonical.encode_mapping(content) for content in contents]
    as_json = [json.dumps(content) for content in contents]
    assert [canonical.parse_mapping(data) for data in files[:100]] == contents[:100]

    def parse_all() -> None:
        for data in files:
            canonical.parse_mapping(data)

    def json_all() -> None:
        for text in as_json:
            json.loads(text)

    def yaml_some() -> None:
        for data in files[:YAML_FILES]:
            yaml.safe_load(data)

    def encode_all() -> None:
        for content in contents:
            canonical.encode_mapping(content)

    parse_s, json_s = measure.median_of(parse_all, 3), measure.median_of(json_all, 3)
    yaml_s = measure.timed(yaml_some) * FILES / YAML_FILES
    measure.report(
        "canonical_parse",
        files=FILES,
        file_bytes=len(files[0]),
        seconds=parse_s,
        json_seconds=json_s,
        times_json=parse_s / json_s,
        yaml_seconds=yaml_s,
        faster_than_yaml=yaml_s / parse_s,
    )
    measure.report("canonical_encode", files=FILES, seconds=measure.median_of(encode_all, 3))


if __name__ == "__main__":
    main()
