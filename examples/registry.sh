#!/bin/sh
# A model gets a name, numbered versions and an alias that moves; a file finds its way back to code and data.
#
#     ./registry.sh      needs git, and git-runs on the PATH
set -eu
here=$(cd "$(dirname "$0")" && pwd)
place=$(mktemp -d "${TMPDIR:-/tmp}/gitruns-registry-XXXXXX")
cd "$place"
say() { printf '\n$ %s\n' "$*"; "$@"; }

git init --quiet -b main .
git config user.name Ada
git config user.email ada@example.org
cp "$here/line_fit.py" train.py
git add .
git commit --quiet -m "fit a line"

python train.py --lr 0.1
say git runs model register line latest model --alias champion -m "the first one we serve"
python train.py --lr 0.4
say git runs model register line latest model --alias candidate
say git runs model versions line
say git runs model promote line@champion 2 --expect 1 -m "a tenth of the loss"
say git runs model show line@champion
say git runs model log line --oneline

echo "--- what is served, and whence it came"
say git runs artifacts get models:/line@champion -o served
say git runs whence served/model/line.json
say git show --stat --oneline models/line/v2
echo "the repository is $place"
