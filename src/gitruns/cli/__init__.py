"""`git runs …`: the command line, a face like any other.

It asks `repo`, `tracking` and the features for what it shows and never touches storage. Porcelain is for people and
may change its looks; plumbing, `--json` and `--format` are for scripts and only grow. `main` finds a command and
turns what it raises into an exit code; `output`, `tables` and `terminal` know how things are shown; each command is
one file in `porcelain/` or `plumbing/`, imported when it is called.
"""
