"""`mlflow.pyfunc.model`: where the classes of saved Python models say they are from."""

from gitruns.mlflow.pyfunc.python_model import FunctionModel as _FunctionPythonModel
from gitruns.mlflow.pyfunc.python_model import PythonModel, PythonModelContext

__all__ = ["PythonModel", "PythonModelContext", "_FunctionPythonModel"]
