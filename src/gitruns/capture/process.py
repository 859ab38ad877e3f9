"""Who runs what, and how it was called: user, host, entry point, command line.

Paths are told relative to the repository, or with `~` for the home folder, so that what is shared tells no more of
the machine than it must. Secret-looking arguments are masked.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gitruns.capture.masking import mask_arguments, mask_text
from gitruns.errors import InvalidInputError

if TYPE_CHECKING:  # a store is only asked where its work tree is: without one, no storage is loaded
    from gitruns.gitstore import GitStore

REDACTABLE = ("host", "user", "command")

_MAX_ARGUMENT_LENGTH = 2000
_MAX_ARGUMENTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """What a run records of its process; a redacted fact is None (the command: empty)."""

    user: str | None = None
    host: str | None = None
    entry_point: str | None = None
    command: tuple[str, ...] = ()


def describe_process(
    store: GitStore | None,
    environ: Mapping[str, str],
    redact: Collection[str] = (),
    *,
    arguments: Sequence[str] | None = None,
) -> ProcessFacts:
    """Returns the facts of this process, those named in `redact` (`host`, `user`, `command`) left out.

    Paths are told relative to the store's work tree, where there is one. `arguments` is the command line to tell
    instead of the process's own, for a command that is run on behalf of someone.
    """
    unknown = sorted(set(redact) - set(REDACTABLE))
    if unknown:
        raise InvalidInputError(
            f"cannot redact '{unknown[0]}': not one of {', '.join(REDACTABLE)}", kind="bad-setting", allowed=REDACTABLE
        )
    paths = _PathNames(store.paths.work_tree if store else None, environ)
    return ProcessFacts(
        user=None if "user" in redact else _user(environ),
        host=None if "host" in redact else _text(os.uname().nodename),
        entry_point=_command_entry(arguments, paths) if arguments else _entry_point(environ, paths),
        command=() if "command" in redact else _command(arguments, environ, paths),
    )


def describe_job(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the ids that the cluster's scheduler gave this job, `slurm_job_id` and the like: empty elsewhere."""
    found = {}
    for variable, name in _JOB_IDS.items():
        value = environ.get(variable, "")
        if re.fullmatch(r"[\w.\[\]-]{1,100}", value, re.ASCII):
            found[name] = value
    return found


_JOB_IDS = {
    "SLURM_JOB_ID": "slurm_job_id",
    "SLURM_ARRAY_JOB_ID": "slurm_array_job_id",
    "SLURM_ARRAY_TASK_ID": "slurm_array_task_id",
    "PBS_JOBID": "pbs_job_id",
    "LSB_JOBID": "lsf_job_id",
    "JOB_ID": "sge_job_id",
    "FLUX_JOB_ID": "flux_job_id",
    "RAY_JOB_ID": "ray_job_id",
}


class _PathNames:
    """Tells paths relative to the work tree, else with `~` for the home folder."""

    def __init__(self, work_tree: Path | None, environ: Mapping[str, str]) -> None:
        self._roots = _spellings(work_tree)
        home = environ.get("HOME") or environ.get("USERPROFILE")
        self._homes = [root for root in _spellings(Path(home) if home else None) if root != "/"]

    def of(self, path: str) -> str:
        """Returns the name of an absolute path."""
        for spelled in dict.fromkeys((path, os.path.realpath(path))):
            for root in self._roots:
                if spelled.startswith(root + os.sep):
                    return spelled[len(root) + 1 :].replace(os.sep, "/")
        return self.within(path)

    def within(self, text: str) -> str:
        """Returns text with the absolute paths in it told: `--data=/home/ada/x` becomes `--data=~/x`."""
        for root in self._roots:
            text = _replace_folder(text, root, "")
        for home in self._homes:
            text = _replace_folder(text, home, "~")
        return text


def _spellings(folder: Path | None) -> list[str]:
    """The folder as given and with its symbolic links resolved; the longer first."""
    if folder is None:
        return []
    return sorted({_absolute(folder), os.path.realpath(folder)}, key=len, reverse=True)


def _absolute(path: str | Path) -> str:
    """The path from the root, symbolic links kept: they are how the user names the place."""
    return os.path.normpath(path if Path(path).is_absolute() else Path.cwd() / path)


def _replace_folder(text: str, folder: str, name: str) -> str:
    if folder not in text:
        return text
    below = re.sub(rf"(?<![\w./~-]){re.escape(folder)}/(?=[^/])", lambda _: f"{name}/" if name else "", text)
    return re.sub(rf"(?<![\w./~-]){re.escape(folder)}/*(?![\w./-])", lambda _: name or ".", below)


def _text(value: str) -> str:
    """Bytes of the outside world that are no UTF-8 arrive as lone surrogates, which no record can hold."""
    return value.encode("utf-8", "replace").decode("utf-8")


def _user(environ: Mapping[str, str]) -> str | None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        if environ.get(name):
            return _text(environ[name])
    try:
        import pwd

        return _text(pwd.getpwuid(os.getuid()).pw_name)
    except (ImportError, KeyError):  # a container that runs a number without a name
        return str(os.getuid()) if hasattr(os, "getuid") else None


# Entry point


def _entry_point(environ: Mapping[str, str], paths: _PathNames) -> str:
    notebook = notebook_path(environ)
    if notebook is not None:
        return _text(paths.of(notebook) if Path(notebook).is_absolute() else notebook)
    main = sys.modules.get("__main__")
    module = _module_name(main)
    if module is not None:
        return module
    file = getattr(main, "__file__", None)
    if isinstance(file, str):
        return _text(paths.of(_absolute(file)))
    return {"-c": "<command>", "-": "<stdin>"}.get(sys.argv[0] if getattr(sys, "argv", None) else "", "<repl>")


def _module_name(main: ModuleType | None) -> str | None:
    """The name behind `python -m`, None for a script."""
    spec = getattr(main, "__spec__", None)
    if spec is None or not isinstance(getattr(spec, "name", None), str):
        return None
    name: str = spec.name
    # `python folder` and `python app.zip` run a `__main__` that has a spec but no package: they are scripts.
    return name.removesuffix(".__main__") if name != "__main__" else None


def notebook_path(environ: Mapping[str, str]) -> str | None:
    """Returns the path of the notebook that this kernel belongs to, `<notebook>` when nobody tells; None elsewhere."""
    if "ipykernel" not in sys.modules and "google.colab" not in sys.modules:
        return None
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    names: Mapping[str, Any] = getattr(shell, "user_ns", {})
    for told in (names.get("__vsc_ipynb_file__"), environ.get("JPY_SESSION_NAME")):
        if isinstance(told, str) and told.endswith(".ipynb"):
            return _located(told)
    return "<notebook>"


def _located(told: str) -> str:
    """The server tells the path below its own root, which we do not know; a kernel starts in its notebook's folder."""
    beside = Path.cwd() / Path(told).name
    if not Path(told).is_absolute() and beside.is_file():
        return str(beside)
    return told


# Command line


def _command(arguments: Sequence[str] | None, environ: Mapping[str, str], paths: _PathNames) -> tuple[str, ...]:
    if arguments is None:
        if notebook_path(environ) is not None:
            return ()  # a kernel's command line names a connection file and nothing else
        arguments = sys.orig_argv
    # Cut twice: what the first cut may leave of a credential, too short to be known as one, the second takes away.
    told = [_text(argument[: 2 * _MAX_ARGUMENT_LENGTH]) for argument in arguments[:_MAX_ARGUMENTS]]
    masked = mask_arguments(told)
    return tuple(_shortened(paths.within(argument)) for argument in masked)


def _shortened(argument: str) -> str:
    return argument if len(argument) <= _MAX_ARGUMENT_LENGTH else argument[:_MAX_ARGUMENT_LENGTH] + "…"


def _command_entry(arguments: Sequence[str], paths: _PathNames) -> str:
    """The program that a command runs: the first script among its arguments, else its first word."""
    for argument in arguments:
        if Path(argument).suffix in _SCRIPT_SUFFIXES and Path(argument).is_file():
            return _text(paths.of(_absolute(argument)))
    return _text(mask_text(paths.within(arguments[0])))


_SCRIPT_SUFFIXES = frozenset(".py .sh .R .jl .lua .pl .rb .js .ts .m .ipynb .bash .zsh".split())
