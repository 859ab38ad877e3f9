"""What a run was born from: its exact source, its environment, its process.

Capture reads the user's repository and changes nothing in it. What it cannot hold it lists: a source with something
left out says so wherever it is shown. Nothing that looks like a credential reaches a git object or a record.
"""

from gitruns.capture.environment import capture_environment
from gitruns.capture.masking import mask_arguments, mask_text, mask_value, strip_credentials
from gitruns.capture.process import ProcessFacts, describe_job, describe_process, notebook_path
from gitruns.capture.restore import Restored, diff_source, restore_source
from gitruns.capture.rules import SnapshotRules
from gitruns.capture.secrets import find_secrets
from gitruns.capture.source import capture_source

__all__ = [
    "ProcessFacts",
    "Restored",
    "SnapshotRules",
    "capture_environment",
    "capture_source",
    "describe_job",
    "describe_process",
    "diff_source",
    "find_secrets",
    "mask_arguments",
    "mask_text",
    "mask_value",
    "notebook_path",
    "restore_source",
    "strip_credentials",
]
