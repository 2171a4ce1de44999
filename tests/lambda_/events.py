"""Events as AWS sends them."""

import base64
import json
from typing import Any

Event = dict[str, Any]


def function_url(method: str = "GET", path: str = "/", body: str | bytes | None = None, **changes: Any) -> Event:
    """A function URL's event (payload 2.0). `changes` replace members."""
    raw_path, _, query = path.partition("?")
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": raw_path,
        "rawQueryString": query,
        "headers": {
            "host": "abc.lambda-url.eu-west-1.on.aws",
            "x-forwarded-for": "203.0.113.9",
            "x-forwarded-port": "443",
        },
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abc",
            "domainName": "abc.lambda-url.eu-west-1.on.aws",
            "http": {
                "method": method,
                "path": raw_path,
                "protocol": "HTTP/1.1",
                "sourceIp": "198.51.100.7",
                "userAgent": "test",
            },
            "requestId": "e1506fd5-9e7b-434f-bd42-4f8fa224b599",
            "routeKey": "$default",
            "stage": "$default",
            "time": "12/Mar/2026:19:03:58 +0000",
            "timeEpoch": 1583348638390,
        },
        "isBase64Encoded": isinstance(body, bytes),
    }
    if body is not None:
        event["body"] = base64.b64encode(body).decode() if isinstance(body, bytes) else body
    return event | changes


def http_api(method: str = "GET", path: str = "/", body: str | bytes | None = None, **changes: Any) -> Event:
    """An HTTP API's event (payload 2.0): not a streaming caller."""
    event = function_url(method, path, body)
    event["requestContext"]["domainName"] = "abc.execute-api.eu-west-1.amazonaws.com"
    return event | changes


def rest(method: str = "GET", path: str = "/", body: str | bytes | None = None, **changes: Any) -> Event:
    """A REST API's event (payload 1.0)."""
    raw_path, _, query = path.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    return {
        "resource": "/{proxy+}",
        "path": raw_path,
        "httpMethod": method,
        "headers": {"Host": "abc.execute-api.eu-west-1.amazonaws.com"},
        "multiValueHeaders": {"Host": ["abc.execute-api.eu-west-1.amazonaws.com"]},
        "queryStringParameters": {name: value for name, _, value in pairs} or None,
        "multiValueQueryStringParameters": {name: [value] for name, _, value in pairs} or None,
        "pathParameters": {"proxy": raw_path.lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/{proxy+}",
            "httpMethod": method,
            "stage": "prod",
            "domainName": "abc.execute-api.eu-west-1.amazonaws.com",
            "identity": {"sourceIp": "198.51.100.7", "userAgent": "test"},
        },
        "body": base64.b64encode(body).decode() if isinstance(body, bytes) else body,
        "isBase64Encoded": isinstance(body, bytes),
    } | changes


def with_json(event: dict[str, Any], body: object, **headers: str) -> dict[str, Any]:
    """The event as a POST of a JSON body."""
    added = {"content-type": "application/json", **headers}
    event = event | {"headers": event["headers"] | added, "body": json.dumps(body), "isBase64Encoded": False}
    if "multiValueHeaders" in event:
        event["multiValueHeaders"] = event["multiValueHeaders"] | {name: [value] for name, value in added.items()}
    return event
