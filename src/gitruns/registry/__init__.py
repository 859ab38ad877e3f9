"""The model registry: names under which versions of a model stand, with aliases, stages and their whole history.

Promises: a number is given once and for all, also when many processes register at the same time; an alias is never
moved unseen, every move is a commit with author, time and reason; a version leads to the run, the code and the data
that made it, and back. Names and rules are MLflow's; docs/registry.md says what differs.
"""

from gitruns.registry.addresses import Place, find_place, is_address
from gitruns.registry.lineage import Lineage, Made, lineage_of, whence
from gitruns.registry.proposals import Proposal, apply_proposal, propose, read_proposal
from gitruns.registry.registry import Registry
from gitruns.registry.search import search_models, search_versions
from gitruns.repo.claims import ClaimReport, confirm_claims

__all__ = [
    "ClaimReport",
    "Lineage",
    "Made",
    "Place",
    "Proposal",
    "Registry",
    "apply_proposal",
    "confirm_claims",
    "find_place",
    "is_address",
    "lineage_of",
    "propose",
    "read_proposal",
    "search_models",
    "search_versions",
    "whence",
]
