"""A training script that is going to be killed: says each acknowledged call on stdout before the next one.

Arguments: seed. One line a call: what was logged, as JSON, written only after the call returned.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

import gitruns


def say(*words: object) -> None:
    """Tells the parent, in one write, what is acknowledged."""
    os.write(1, (json.dumps(words) + "\n").encode())


def main() -> None:
    """Logs run after run until killed."""
    chance = random.Random(int(sys.argv[1]))
    scratch = Path(sys.argv[2])
    while True:
        gitruns.start_run()
        run = gitruns.active_run()
        assert run is not None
        run_id = run._log.run_id
        say("start", run_id)
        for step in range(chance.randrange(1, 60)):
            gitruns.log_metric("loss", step / 7, step=step)
            say("metric", run_id, step, step / 7)
            if chance.random() < 0.1:
                gitruns.log_param(f"p{step}", step)
                say("param", run_id, f"p{step}", step)
            if chance.random() < 0.1:
                gitruns.set_tag("phase", str(step))
                say("tag", run_id, "phase", str(step))
            if chance.random() < 0.05:
                path = scratch / f"{run_id}-{step}.bin"
                path.write_bytes(chance.randbytes(chance.choice([10, 5_000, 3_000_000])))
                gitruns.log_artifact(path)
                say("artifact", run_id, path.name)
        gitruns.end_run()
        say("end", run_id)


if __name__ == "__main__":
    main()
