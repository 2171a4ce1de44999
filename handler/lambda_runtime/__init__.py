"""The streaming half that Mangum and the managed Python runtime lack."""
