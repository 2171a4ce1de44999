"""AWS for tests: moto's server on loopback, which can go down and come back with what it held.

with simulated_aws() as aws:
    aws.dynamodb, aws.secrets       boto3 clients
    aws.down(), aws.up()
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import httpx
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from handler.aws import Account, AwsService
from handler.transport import Pool, Timeouts

REGION = "eu-west-1"
TABLE = "limits"


class SimulatedAws:
    """One moto server; its state is this process's."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._port = 0
        self.up()
        self.url = f"http://127.0.0.1:{self._port}"
        httpx.post(f"{self.url}/moto-api/reset")

    def client(self, service: str) -> Any:
        """A boto3 client."""
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        return boto3.client(service, region_name=REGION, endpoint_url=self.url, **keys)

    @property
    def dynamodb(self) -> Any:
        return self.client("dynamodb")

    @property
    def secrets(self) -> Any:
        return self.client("secretsmanager")

    def make_table(self, name: str = TABLE) -> None:
        """The table as the template has it."""
        self.dynamodb.create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": "client", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "client", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def down(self) -> None:
        """Nothing answers any more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def up(self) -> None:
        """The same state, on the same port.

        One request at a time: DynamoDB checks and writes in one step, moto in two, between which another would fit.
        """
        app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", self._port, app, threaded=False)
        self._port = self._server.port
        self._thread = threading.Thread(target=self._server.serve_forever, name="moto", daemon=True)
        self._thread.start()

    def account(self) -> Account:
        """What the proxy knows of it."""
        return Account(REGION, "testing", "testing", endpoint=self.url)


@contextmanager
def simulated_aws() -> Iterator[SimulatedAws]:
    """A fresh moto server."""
    aws = SimulatedAws()
    try:
        yield aws
    finally:
        aws.down()


def pool() -> Pool:
    """A transport with the waits the proxy has for AWS."""
    return Pool(Timeouts(connect=1, first_byte=2, idle=2))


def dynamodb(account: Account, transport: httpx.AsyncBaseTransport) -> AwsService:
    """DynamoDB as the proxy calls it."""
    return AwsService(account, "dynamodb", "DynamoDB_20120810", "1.0", transport)


def secretsmanager(account: Account, transport: httpx.AsyncBaseTransport) -> AwsService:
    """Secrets Manager as the proxy calls it."""
    return AwsService(account, "secretsmanager", "secretsmanager", "1.1", transport)
