"""The credentials the server itself holds, as httpx.Auth generators."""
