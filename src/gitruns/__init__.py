"""Experiment tracking that lives in git: every run is a commit, a child of the exact code it ran.

    import gitruns

    with gitruns.start_run():
        gitruns.log_param("lr", 0.01)
        gitruns.log_metric("loss", 0.3, step=1)

Names and meanings are MLflow's. `Client` is for explicit work; the shell has `git runs`.
"""

TYPE_CHECKING = False  # type checkers know the name; importing it from `typing` would take half of the whole time

if TYPE_CHECKING:
    from gitruns.errors import (
        AccessDeniedError,
        AlreadyExistsError,
        ConflictError,
        CorruptDataError,
        GitRunsError,
        GitRunsWarning,
        InternalError,
        InvalidInputError,
        LockedError,
        NotFoundError,
        RemoteError,
    )
    from gitruns.tracking.asking import (
        create_experiment,
        delete_experiment,
        delete_run,
        download_artifacts,
        get_experiment,
        get_experiment_by_name,
        get_metric_history,
        get_metric_history_bulk,
        get_run,
        list_artifacts,
        register_model,
        rename_experiment,
        restore_experiment,
        restore_run,
        search_experiments,
        search_model_versions,
        search_registered_models,
        search_runs,
    )
    from gitruns.tracking.client import Client
    from gitruns.tracking.comparing import compare
    from gitruns.tracking.fluent import (
        ActiveRun,
        active_run,
        delete_tag,
        end_run,
        flush,
        last_active_run,
        log_artifact,
        log_artifacts,
        log_dict,
        log_figure,
        log_image,
        log_input,
        log_metric,
        log_metrics,
        log_param,
        log_params,
        log_table,
        log_text,
        set_experiment,
        set_note,
        set_tag,
        set_tags,
        start_run,
    )
    from gitruns.tracking.model_views import ModelVersion, RegisteredModel
    from gitruns.tracking.search import PagedList, ViewType
    from gitruns.tracking.views import Experiment, Run

__version__ = "0.1.0"

__all__ = [
    "AccessDeniedError",
    "ActiveRun",
    "AlreadyExistsError",
    "Client",
    "ConflictError",
    "CorruptDataError",
    "Experiment",
    "GitRunsError",
    "GitRunsWarning",
    "InternalError",
    "InvalidInputError",
    "LockedError",
    "ModelVersion",
    "NotFoundError",
    "PagedList",
    "RegisteredModel",
    "RemoteError",
    "Run",
    "ViewType",
    "active_run",
    "compare",
    "create_experiment",
    "delete_experiment",
    "delete_run",
    "delete_tag",
    "download_artifacts",
    "end_run",
    "flush",
    "get_experiment",
    "get_experiment_by_name",
    "get_metric_history",
    "get_metric_history_bulk",
    "get_run",
    "last_active_run",
    "list_artifacts",
    "log_artifact",
    "log_artifacts",
    "log_dict",
    "log_figure",
    "log_image",
    "log_input",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_table",
    "log_text",
    "register_model",
    "rename_experiment",
    "restore_experiment",
    "restore_run",
    "search_experiments",
    "search_model_versions",
    "search_registered_models",
    "search_runs",
    "set_experiment",
    "set_note",
    "set_tag",
    "set_tags",
    "start_run",
]

_HOMES = {
    "errors": (
        "AccessDeniedError AlreadyExistsError ConflictError CorruptDataError GitRunsError "
        "GitRunsWarning InternalError InvalidInputError LockedError NotFoundError RemoteError"
    ),
    "tracking.asking": (
        "create_experiment delete_experiment delete_run download_artifacts get_experiment "
        "get_experiment_by_name get_metric_history get_metric_history_bulk get_run list_artifacts "
        "register_model rename_experiment restore_experiment restore_run search_experiments "
        "search_model_versions search_registered_models search_runs"
    ),
    "tracking.client": "Client",
    "tracking.comparing": "compare",
    "tracking.fluent": (
        "ActiveRun active_run delete_tag end_run flush last_active_run log_artifact log_artifacts log_dict "
        "log_figure log_image log_input log_metric log_metrics log_param log_params log_table log_text "
        "set_experiment set_note set_tag set_tags start_run"
    ),
    "tracking.model_views": "ModelVersion RegisteredModel",
    "tracking.search": "PagedList ViewType",
    "tracking.views": "Experiment Run",
}
"""Where the public names live: each is imported when it is first asked for, so that `import gitruns` costs nothing to
programs that need a part of it only, such as the hook of every `git push`."""

_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'gitruns' has no attribute '{name}'")
    from importlib import import_module

    found: object = getattr(import_module(f"gitruns.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
