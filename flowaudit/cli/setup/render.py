"""`flowaudit setup render`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flowaudit.cli.options import config_of
from flowaudit.cli.output import count, say


class TemplateFormat(StrEnum):
    """Format of a template."""

    YAML = "yaml"
    JSON = "json"


def render(
    ctx: typer.Context,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it to a file; default: stdout.")] = None,
    format: Annotated[TemplateFormat, typer.Option(help="JSON has no comments.")] = TemplateFormat.YAML,
) -> None:
    """Print the CloudFormation template of the VPC in [setup].

    Makes no request to AWS. The same configuration renders the same template.
    """
    from flowaudit.setup import template, to_json, to_yaml
    from flowaudit.setup.request import LONGEST_BODY

    made = template(config_of(ctx).setup)
    text = to_json(made) if format is TemplateFormat.JSON else to_yaml(made)
    size = len(text.encode())
    if output is None:
        print(text, end="")
    else:
        output.write_text(text, "utf-8")
        say(f"{output}: {count(len(made.resources), 'resource')}, {size:,} bytes")
    if size > LONGEST_BODY:
        say(
            f"warning: the template has {size:,} bytes: above {LONGEST_BODY:,} CloudFormation reads it from S3 only: "
            "add --s3-bucket to aws cloudformation deploy"
        )
