#!/bin/sh
# A change is reviewed by its runs: three seeds on main, three on the branch, a rule that decides.
#
#     ./review.sh        needs git, and git-runs on the PATH
set -eu
here=$(cd "$(dirname "$0")" && pwd)
place=$(mktemp -d "${TMPDIR:-/tmp}/gitruns-review-XXXXXX")
cd "$place"
say() { printf '\n$ %s\n' "$*"; "$@"; }

git init --quiet -b main .
git config user.name Ada
git config user.email ada@example.org
cp "$here/line_fit.py" train.py
cat >gitruns.yaml <<'END'
metrics: {loss: lower}
review:
  loss: no worse than 1%
END
git add .
git commit --quiet -m "fit a line"
for seed in 0 1 2; do python train.py --seed $seed; done

git checkout --quiet -b faster
sed 's/range(30)/range(10)/' train.py >new.py
mv new.py train.py
git commit --quiet -am "train for a third of the time"

echo "--- no run has this code yet: the answer is no, and says what to run"
git runs review main...faster || echo "exit code $?"
for seed in 0 1 2; do python train.py --seed $seed; done

echo "--- worse by more than 1%: the rule is broken"
say git runs review main...faster || echo "exit code $?"
say git runs diff

echo "--- larger steps make up for it"
sed -e 's/range(10)/range(15)/' -e 's/default=0.1/default=0.4/' train.py >new.py
mv new.py train.py
git commit --quiet -am "take larger steps, and half of them"
for seed in 0 1 2; do python train.py --seed $seed; done
say git runs review main...faster --rule 'loss: at most 0.05'
git runs review main...faster --html -o review.html
say git runs compare 'experiment = line' --only-changed
say git runs blame loss
echo "the repository is $place, the report is review.html there"
