"""What all calls of the tracking store stand on: a repository."""

from __future__ import annotations

from gitruns.protocol.hub import Hub


class StoreBase:
    """A repository behind MLflow's calls. What a call means is said in `gitruns.protocol`, for the server too."""

    hub: Hub
