#!/bin/sh
# Installs gitruns into .venv, trains four small models on real data in a new repository, and shows the runs.
# Needs Python 3.10 or later and git; everything else is installed into .venv.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
[ -x "$here/.venv/bin/python" ] || "$python" -m venv "$here/.venv"
"$here/.venv/bin/pip" install --quiet --disable-pip-version-check "$here[examples]"
PATH="$here/.venv/bin:$PATH"

project=$(mktemp -d "${TMPDIR:-/tmp}/gitruns-quickstart-XXXXXX")
cd "$project"
git init --quiet .
cp "$here/examples/digits_sweep.py" train.py
git add train.py
git -c user.name=quickstart -c user.email=quickstart@example.org commit --quiet -m "train a classifier of digits"

echo "training four models, each a run ..."
python train.py

printf '\n$ git runs list\n'
git runs list --table
printf '\n$ git runs show latest\n'
git runs show latest
cat <<END

Look further:
  cd $project
  export PATH="$here/.venv/bin:\$PATH"
  git runs list --json                    # for scripts
  git runs artifacts ls latest            # what the run kept
  git runs source latest                  # the commit with its exact code
  git log runs/\$(git runs resolve latest) # it is all plain git
  git runs -h
END
