"""What can be asked of the desk: one module for each thing, each with its router, gathered by `api.desk`."""
