"""`mlflow.utils`: of it, the names of tags."""
