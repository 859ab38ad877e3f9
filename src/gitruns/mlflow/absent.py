"""What MLflow has and this drop-in has not: said when it is used, with what to do instead.

Importing a script never fails for what it does not call.
"""

from __future__ import annotations

from typing import Any, NoReturn

from gitruns.mlflow.exceptions import MlflowException

INSTALL = "pip install 'gitruns[mlflow]' mlflow, set MLFLOW_TRACKING_URI=gitruns: and 'import mlflow'"
"""The way out: MLflow itself, which logs into the same repository."""

FLAVORS = (
    "ag2 agno anthropic autogen bedrock catboost crewai diffusers dspy gemini groq h2o haystack johnsnowlabs keras "
    "langchain lightgbm litellm llama_index mistral onnx openai paddle pmdarima prophet promptflow pydantic_ai pyspark "
    "pytorch rfunc semantic_kernel sentence_transformers shap smolagents spacy spark statsmodels strands tensorflow "
    "transformers txtai typesafe xgboost"
).split()

TRACING = (
    "add_trace context delete_assessment delete_trace_tag flush_trace_async_logging get_active_trace_id get_assessment "
    "get_current_active_span get_last_active_trace_id get_trace log_assessment log_expectation log_feedback log_issue "
    "log_trace override_feedback search_sessions search_traces set_trace_tag start_span start_span_no_context trace "
    "update_assessment update_current_trace"
).split()

LOGGED_MODELS = (
    "ActiveModel clear_active_model create_external_model get_active_model_id import_checkpoints set_active_model"
).split()

PROMPTS = "delete_prompt_alias load_prompt register_prompt search_prompts set_prompt_alias".split()

WORKSPACES = "create_workspace delete_workspace get_workspace list_workspaces set_workspace update_workspace".split()

OTHERS = (
    "doctor evaluate gateway genai login metrics otel projects recipes run server spark_udf store "
    "system_metrics test tracing validate_evaluation_results"
).split()

NAMES = frozenset([*FLAVORS, *TRACING, *LOGGED_MODELS, *PROMPTS, *WORKSPACES, *OTHERS])
"""Every public name of MLflow's that is known here and absent."""

CLIENT_NAMES = frozenset(
    (
        "add_dataset_to_experiments create_dataset create_mcp_access_endpoint create_mcp_server "
        "create_mcp_server_version create_prompt create_prompt_version create_webhook create_workspace delete_dataset "
        "delete_dataset_tag delete_mcp_access_endpoint delete_mcp_server "
        "delete_mcp_server_alias delete_mcp_server_tag delete_mcp_server_version delete_mcp_server_version_tag "
        "delete_prompt delete_prompt_alias delete_prompt_tag delete_prompt_version delete_prompt_version_tag "
        "delete_trace_tag delete_traces delete_webhook delete_workspace detach_prompt_from_run end_span end_trace "
        "get_dataset get_latest_mcp_server_version get_mcp_access_endpoint "
        "get_mcp_server get_mcp_server_version get_mcp_server_version_by_alias get_prompt get_prompt_version "
        "get_prompt_version_by_alias get_trace get_webhook get_workspace get_workspace_store_uri "
        "link_prompt_version_to_model link_prompt_version_to_run link_prompt_versions_to_trace link_traces_to_run "
        "list_logged_prompts list_webhooks list_workspaces load_prompt "
        "parse_prompt_uri refresh_mcp_server_version_tools "
        "register_prompt remove_dataset_from_experiments search_datasets "
        "search_mcp_access_endpoints search_mcp_server_versions search_mcp_servers search_prompt_versions "
        "search_prompts search_traces set_dataset_tags set_mcp_server_alias set_mcp_server_tag "
        "set_mcp_server_version_tag set_prompt_alias set_prompt_tag set_prompt_version_tag set_trace_tag start_span "
        "start_trace test_webhook unlink_traces_from_run update_mcp_access_endpoint update_mcp_server "
        "update_mcp_server_version update_webhook update_workspace"
    ).split()
)
"""Every public method of MLflow's client that is known here and absent."""

_INSTEAD = {
    "autologging": "mlflow.sklearn.autolog() works without it",
    "evaluate": "log what you measure with log_metrics; 'git runs review' compares it",
    "run": "git runs exec -- python train.py",
    "projects": "git runs exec -- python train.py",
    "server": "git runs server",
    "login": "a repository needs none",
}


def refuse(name: str) -> NoReturn:
    """Raises `MlflowException` (kind `extra-missing`) for the use of something absent."""
    first = name.partition(".")[0]
    instead = _INSTEAD.get(first)
    raise MlflowException(
        f"'mlflow.{name}' needs MLflow itself: gitruns.mlflow is without it",
        "NOT_IMPLEMENTED",
        kind="extra-missing",
        hint=f"{INSTALL}" + (f"; or: {instead}" if instead else ""),
        name=name,
    )


class Absent:
    """Stands for a name of MLflow's that is not here: anything done with it says so."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):  # what Python itself asks of any object
            raise AttributeError(attribute)
        return Absent(f"{self.__name__}.{attribute}")

    def __call__(self, *args: object, **named: object) -> NoReturn:
        refuse(self.__name__)

    def __enter__(self) -> NoReturn:
        refuse(self.__name__)

    def __exit__(self, *exception: object) -> None:
        refuse(self.__name__)

    def __mro_entries__(self, bases: tuple[object, ...]) -> NoReturn:
        refuse(self.__name__)

    def __repr__(self) -> str:
        return f"<mlflow.{self.__name__}: not in gitruns.mlflow>"
