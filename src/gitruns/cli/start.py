"""Where the `git-runs` program begins: a hook that git calls is done before anything else is loaded."""

from __future__ import annotations

import os
import sys

_INTERRUPTED = 130


def main() -> int:
    """Runs the command line and returns the exit code."""
    from gitruns.cli.hooking import HOOKS, run_hook

    words = sys.argv[1:]
    if words[:1] == ["hook"] and words[1:2] and words[1] in HOOKS and "-h" not in words and "--help" not in words:
        try:
            return run_hook(os.environ, words[1], words[2:])
        except KeyboardInterrupt:
            return _INTERRUPTED  # git has heard it, too
    from gitruns.cli.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
