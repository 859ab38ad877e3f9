"""Signatures of commits and git tags: made and checked by git, with the keys and programs that the user has set up.

Nothing here knows a key. `git commit-tree -S` signs commits; a git tag is signed by `git tag -s` in a scratch
repository that shares our objects, because git has no other way to sign one without making its ref.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from gitruns.entities.ids import ObjectId
from gitruns.errors import AccessDeniedError, GitRunsError, GitRunsWarning
from gitruns.gitstore.backend import Backend
from gitruns.gitstore.objects import Author, Commit, Tag, clean_name, encode_commit, encode_tag
from gitruns.gitstore.program import GitProgram

_TRUE = frozenset(("true", "yes", "on", "1"))
_BATCH = 500


class Trust(str, Enum):
    """What is known of who signed something."""

    GOOD = "good"
    """Signed with a key that git trusts."""
    UNSIGNED = "unsigned"
    UNKNOWN = "unknown-key"
    """Signed, and git cannot tell by whom: the key is not in its keyring or list of signers, or has no trust there."""
    EXPIRED = "expired"
    """The signature is right; it or its key has expired since, or the key was revoked."""
    BAD = "bad"
    """The signature is not of these bytes: somebody changed them after they were signed."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What git says of one signature: trust, who the signer is, and which key it was (both empty when not known)."""

    trust: Trust
    signer: str = ""
    key: str = ""


class Signer:
    """Writes commits and git tags, signed where the user wants that.

    Commits are signed when `runs.sign` says so, else when `commit.gpgSign` does; git tags when `tag.gpgSign` does.
    """

    def __init__(self, backend: Backend, git: GitProgram, config: Callable[[str], str | None]) -> None:
        self._backend = backend
        self._git = git
        self._config = config
        self._failed = False

    def signs_commits(self) -> bool:
        """Returns whether commits of runs are to be signed."""
        own = self._config("runs.sign")
        return _is_true(self._config("commit.gpgsign") if own is None else own)

    def signs_tags(self) -> bool:
        """Returns whether git tags of versions are to be signed."""
        return _is_true(self._config("tag.gpgsign"))

    def write_unsigned(self, commit: Commit) -> ObjectId:
        """Writes a commit as it is."""
        return self._backend.write_object("commit", encode_commit(commit))

    def write_commit(self, commit: Commit) -> ObjectId:
        """Writes a commit, signed when that is wanted.

        A key that cannot be used (no agent, no smart card) must not lose what was logged: the commit is then unsigned,
        which is said once, and `git runs verify` shows it.
        """
        if self._failed or not self.signs_commits():
            return self.write_unsigned(commit)
        try:
            return self._write_signed(commit)
        except GitRunsError as error:
            self._failed = True
            warnings.warn(f"gitruns: cannot sign, so commits are unsigned: {error}", GitRunsWarning, stacklevel=2)
            return self.write_unsigned(commit)

    def _write_signed(self, commit: Commit) -> ObjectId:
        parents = [word for parent in commit.parents for word in ("-p", parent)]
        env = _identity_variables("AUTHOR", commit.author) | _identity_variables("COMMITTER", commit.committer)
        message = commit.message.replace("\0", "\ufffd").encode(errors="surrogateescape")
        arguments = ("-c", "i18n.commitEncoding=UTF-8", "commit-tree", "-S", *parents, "-F", "-", commit.tree)
        return ObjectId(self._git.run(*arguments, input=message, env=env).decode().strip())

    def write_tag(self, tag: Tag, *, sign: bool | None = None) -> ObjectId:
        """Writes a git tag's object and no ref; `sign` None: as the user has set up.

        Raises `AccessDeniedError` (kind `cannot-sign`) when it is to be signed and cannot be.
        """
        if not (self.signs_tags() if sign is None else sign):
            return self._backend.write_object("tag", encode_tag(tag))
        try:
            return self._write_signed_tag(tag)
        except GitRunsError as error:
            raise AccessDeniedError(
                f"cannot sign git tag '{tag.name}': {error}",
                kind="cannot-sign",
                hint="see user.signingKey and gpg.format in 'git help config', or leave --sign out",
            ) from error

    def _write_signed_tag(self, tag: Tag) -> ObjectId:
        with tempfile.TemporaryDirectory(prefix="gitruns-sign-") as folder:
            scratch = Path(folder) / ".git"
            _make_repository(scratch, self._backend.object_format)
            env = {
                "GIT_DIR": str(scratch),
                "GIT_WORK_TREE": folder,
                "GIT_OBJECT_DIRECTORY": self._objects_folder(),
                **self._signing_settings(),
                **_identity_variables("COMMITTER", tag.tagger),
            }
            message = tag.message.encode(errors="replace")
            self._git.run("tag", "-s", "--cleanup=verbatim", "-F", "-", tag.name, tag.target, input=message, env=env)
            found = ObjectId(self._git.run("rev-parse", "--verify", f"refs/tags/{tag.name}", env=env).decode().strip())
        # git 2.39 makes an unsigned git tag, and says that all is well, when ssh-keygen fails.
        if not is_signed_tag(self._backend.read_object(found)[1]):
            raise GitRunsError("the signing program failed", kind="git-failed")
        return found

    def _objects_folder(self) -> str:
        return self._git.run("rev-parse", "--path-format=absolute", "--git-path", "objects").decode().strip()

    def _signing_settings(self) -> dict[str, str]:
        """The repository's own settings of keys and programs, which the scratch repository does not have."""
        listed = self._git.run("config", "--list", "-z").decode(errors="surrogateescape").split("\0")
        split = (item.partition("\n") for item in listed)
        pairs = [(key, value) for key, _, value in split if key.lower().startswith(("gpg.", "user."))]
        env = {"GIT_CONFIG_COUNT": str(len(pairs))}
        for place, (key, value) in enumerate(pairs):
            env |= {f"GIT_CONFIG_KEY_{place}": key, f"GIT_CONFIG_VALUE_{place}": value}
        return env


def _make_repository(folder: Path, object_format: str) -> None:
    """Makes the least that git takes for a repository: `git init` would look at whatever repository we are in."""
    (folder / "refs").mkdir(parents=True)
    (folder / "objects").mkdir()
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    version, extension = (
        (0, "") if object_format == "sha1" else (1, f"[extensions]\n\tobjectFormat = {object_format}\n")
    )
    (folder / "config").write_text(f"[core]\n\trepositoryFormatVersion = {version}\n{extension}")


def _identity_variables(role: str, author: Author) -> dict[str, str]:
    identity, minutes = author.identity, abs(author.identity.utc_offset_minutes)
    sign = "-" if identity.utc_offset_minutes < 0 else "+"
    seconds = max(author.time_ms // 1000, 0)
    return {
        f"GIT_{role}_NAME": clean_name(identity.name) or "unknown",
        f"GIT_{role}_EMAIL": clean_name(identity.email),
        f"GIT_{role}_DATE": f"@{seconds} {sign}{minutes // 60:02}{minutes % 60:02}",
    }


def _is_true(text: str | None) -> bool:
    return text is not None and text.lower() in _TRUE


# Checking


_GRADES = {
    "G": Trust.GOOD,
    "U": Trust.UNKNOWN,
    "E": Trust.UNKNOWN,
    "X": Trust.EXPIRED,
    "Y": Trust.EXPIRED,
    "R": Trust.EXPIRED,
    "B": Trust.BAD,
    "N": Trust.UNSIGNED,
}


def check_commits(git: GitProgram, commits: Mapping[ObjectId, bool]) -> dict[ObjectId, Signature]:
    """Returns what git says of the signatures of commits; the value says whether a commit bears one at all."""
    found = {oid: Signature(trust=Trust.UNSIGNED) for oid, signed in commits.items() if not signed}
    waiting = [oid for oid, signed in commits.items() if signed]
    for start in range(0, len(waiting), _BATCH):
        found |= _check_batch(git, waiting[start : start + _BATCH])
    return found


def _check_batch(git: GitProgram, commits: list[ObjectId]) -> dict[ObjectId, Signature]:
    fed = "".join(f"{oid}\n" for oid in commits).encode()
    form = "--format=%H%x00%G?%x00%GS%x00%GK%x00"
    settings = ("-c", "log.showSignature=false", *_list_of_signers(git))
    listed = git.run(*settings, "log", "--no-walk=unsorted", form, "--stdin", input=fed)
    found = {}
    for line in listed.decode(errors="replace").split("\0\n"):
        if not line:
            continue
        oid, grade, signer, key = line.split("\0")[:4]
        # A signature that git could not even look at (no list of signers is set) is "N" to git; ours bears one.
        trust = Trust.UNKNOWN if grade == "N" else _GRADES.get(grade, Trust.UNKNOWN)
        found[ObjectId(oid)] = Signature(trust=trust, signer=signer if trust is not Trust.UNKNOWN else "", key=key)
    return found


def _list_of_signers(git: GitProgram) -> tuple[str, ...]:
    """Without a list of signers git does not look at an ssh signature; with an empty one it finds what is bad."""
    if git.run("config", "gpg.ssh.allowedSignersFile", ok=(0, 1)).strip():
        return ()
    return ("-c", "gpg.ssh.allowedSignersFile=/dev/null")


_SSH = re.compile(r'Good "git" signature (?:for (?P<signer>.*?) )?with \S+ key (?P<key>\S+)')
_GPG = re.compile(r"^\[GNUPG:\] (?P<word>[A-Z_]+) ?(?P<key>\S*) ?(?P<signer>.*)$", re.MULTILINE)
_GPG_WORDS = {
    "GOODSIG": Trust.GOOD,
    "BADSIG": Trust.BAD,
    "ERRSIG": Trust.UNKNOWN,
    "NO_PUBKEY": Trust.UNKNOWN,
    "EXPSIG": Trust.EXPIRED,
    "EXPKEYSIG": Trust.EXPIRED,
    "REVKEYSIG": Trust.EXPIRED,
}


def check_tags(git: GitProgram, tags: Iterable[tuple[ObjectId, bytes]]) -> dict[ObjectId, Signature]:
    """Returns what git says of the signatures of git tags, each given with its bytes."""
    return {oid: _check_tag(git, oid) if is_signed_tag(data) else Signature(trust=Trust.UNSIGNED) for oid, data in tags}


def is_signed_tag(data: bytes) -> bool:
    """Returns whether the bytes of a git tag end in a signature."""
    return any(b"\n-----BEGIN " + word in data for word in (b"PGP SIGNATURE", b"SSH SIGNATURE", b"SIGNED MESSAGE"))


def is_signed_commit(commit: Commit) -> bool:
    """Returns whether a commit bears a signature."""
    return any(key in ("gpgsig", "gpgsig-sha256") for key, _ in commit.extra)


def _check_tag(git: GitProgram, oid: ObjectId) -> Signature:
    code, _, said = git.run_raw(*_list_of_signers(git), "verify-tag", "--raw", oid)
    ssh = _SSH.search(said)
    if ssh is not None:
        trust = Trust.GOOD if code == 0 and ssh["signer"] else Trust.UNKNOWN
        return Signature(trust=trust, signer=ssh["signer"] or "", key=ssh["key"])
    for word in _GPG.finditer(said):
        trust = _GPG_WORDS.get(word["word"], Trust.UNSIGNED)
        if trust is not Trust.UNSIGNED:
            if trust is Trust.GOOD and code != 0:
                trust = Trust.UNKNOWN
            return Signature(trust=trust, signer=word["signer"] if trust is Trust.GOOD else "", key=word["key"])
    bad = "Could not verify signature" in said or "incorrect signature" in said.lower()
    return Signature(trust=Trust.BAD if bad else Trust.UNKNOWN)
