"""`mlflow.protos`: of it, the codes of errors."""
