"""What every dialect is made of: operations, calls, the pipeline, reading of requests, extensions."""
