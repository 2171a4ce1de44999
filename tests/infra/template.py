"""The templates as CloudFormation will see them: transformed by SAM's own translator, read as data."""

import logging
from functools import cache
from pathlib import Path
from typing import Any

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parents[2]
TEMPLATES = {
    "template": ROOT / "template.yaml",
    "storage": ROOT / "infra" / "storage.yaml",
    "alarms": ROOT / "infra" / "alarms.yaml",
}
Json = dict[str, Any]


@cache
def transformed(name: str, **parameters: Any) -> Json:
    """A template after the transform; `parameters` replace its defaults (strings, as a deploy gives them)."""
    template = yaml_parse(TEMPLATES[name].read_text())
    values = {key: str(each["Default"]) for key, each in template.get("Parameters", {}).items() if "Default" in each}
    values |= parameters
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
        if resource["Type"] == "AWS::Serverless::Application":
            resource["Properties"]["Location"] = "https://bucket.s3.amazonaws.com/key"
    logging.getLogger("samtranslator").setLevel(logging.ERROR)  # it wants its own metrics published
    translator = Translator({}, Parser())
    result: Json = translator.translate(sam_template=template, parameter_values=values)
    return result


def resources(template: Json, kind: str) -> dict[str, Json]:
    """Its resources of one type, by logical id."""
    return {name: each for name, each in template["Resources"].items() if each["Type"] == kind}
