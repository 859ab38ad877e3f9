"""What each call of MLflow's protocol means on a repository, without MLflow.

Two doors lead here, so that a rule is written once: the plugin turns MLflow's entities into the values below and back,
the server does so with JSON. Calls take plain values or anything that has the fields they name, and return entities of
ours. What they refuse is a `ProtocolError` with MLflow's code and words; errors of ours have their place in one table
of `errors`. Source: docs/design/010-mlflow.md.
"""
