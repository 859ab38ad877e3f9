"""`git runs model`"""

from __future__ import annotations

from gitruns.cli.commands import group
from gitruns.cli.models.change import describe, register, rename, restore, rm, tag
from gitruns.cli.models.look import list_models, log, search, show, versions
from gitruns.cli.models.promote import alias, confirm, promote, stage


@group(
    "model",
    default="list",
    examples=["git runs model", "git runs model show digits@champion", "git runs model log digits"],
)
def model() -> None:
    """Register models: numbered versions, aliases, stages

    A version is named MODEL/N or MODEL@ALIAS, and wherever artifacts are named as models:/MODEL/N. Each is a git tag,
    `models/<name>/v<N>`, at a commit with the code and the run that made it. Without a command, lists models.
    """


for _command in (
    *(list_models, show, versions, search, log),
    *(register, alias, stage, promote, confirm),
    *(describe, tag, rename, rm, restore),
):
    model.add_command(_command)

COMMAND = model
