"""Commands for people, one file each. What they print may change its looks; `--json` and `--format` only grow."""
