"""`python -m handler` is `claude-proxy serve`."""

from handler.cli import serve

if __name__ == "__main__":
    serve()
