#!/bin/sh
# Ada and Bob share runs through one git remote and one folder for artifacts: what ada trains, bob sees and tags.
#
#     ./team.sh          needs git, and git-runs on the PATH
set -eu
here=$(cd "$(dirname "$0")" && pwd)
place=$(mktemp -d "${TMPDIR:-/tmp}/gitruns-team-XXXXXX")
cd "$place"
say() { printf '\n$ %s\n' "$*"; "$@"; }

git init --quiet --bare -b main hub.git
git clone --quiet hub.git ada 2>/dev/null
cd ada
git checkout --quiet -B main
git config user.name Ada
git config user.email ada@example.org
git runs store set --shared "$place/artifacts"
git runs init --yes --snapshots tracked
cp "$here/line_fit.py" train.py
git add train.py gitruns.yaml
git commit --quiet -m "fit a line"

echo "--- ada trains twice; her git push takes the runs along"
python train.py --lr 0.1
python train.py --lr 0.3
say git push --quiet origin main

echo "--- bob clones, and has them"
git clone --quiet "$place/hub.git" "$place/bob"
cd "$place/bob"
git config user.name Bob
git config user.email bob@example.org
git runs init --yes --snapshots tracked
git runs store check --yes
say git runs fetch
say git runs best loss
best=$(git runs best loss --format '{id}')
say git runs artifacts get "$best" model -o weights
git runs tag "$best" reviewed-by=bob
say git runs push

echo "--- ada sees what bob said, and both clones are the same"
cd "$place/ada"
git runs note "$best" -m "the one to beat"
say git runs sync
say git runs show "$best"
cd "$place/bob"
git runs fetch
for clone in ada bob; do git -C "$place/$clone" for-each-ref refs/runs/ >"$place/$clone.refs"; done
say cmp "$place/ada.refs" "$place/bob.refs"
echo "both clones are in $place"
