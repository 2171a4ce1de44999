"""A Claude API proxy: one FastAPI app, on AWS Lambda and on localhost."""

__version__ = "0.1.0"
