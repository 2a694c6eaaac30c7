"""The framework of the dialects: operations, calls, the pipeline, readers of requests, extensions."""
