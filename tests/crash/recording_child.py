"""Puts records until it is killed, and says of each that it was acknowledged: `python recording_child.py N`.

The parent reads the pipe: what is in it was acknowledged. Seals come in between, so that the kill meets these too.
"""

from __future__ import annotations

import os
import sys

from gitruns.repo import Repo


def main(name: str) -> None:
    repo = Repo.open()
    number = 0
    while True:
        key = f"{name}-{number}"
        repo.records.put("trace", key, {"n": number, "time_ms": number, "text": "x" * (number % 50) * 40})
        os.write(1, f"{key}\n".encode())
        if number % 40 == 17:
            repo.records.recover(force=True)
        if number % 40 == 33:
            repo.records.get("trace", key)
        number += 1


if __name__ == "__main__":
    main(sys.argv[1])
