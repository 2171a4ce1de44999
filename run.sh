#!/bin/sh
# AWS_LAMBDA_EXEC_WRAPPER: the managed runtime calls this with its interpreter as the first argument, to be started
# with AWS's own loop behind it. Ours is started instead: it streams.
root="${LAMBDA_TASK_ROOT:-${0%/*}}"
PYTHONPATH="$root:/opt/python:${LAMBDA_RUNTIME_DIR:-/var/runtime}" exec "$1" -m handler.lambda_runtime
