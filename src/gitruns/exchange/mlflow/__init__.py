"""MLflow's stores, read and written without MLflow: folders (`mlruns`), databases, servers.

Each reader makes the same records of what it finds, and `records` says what they mean here. Nothing that is named in a
store is opened unless it lies below the store, or below a folder that the caller names.
"""
