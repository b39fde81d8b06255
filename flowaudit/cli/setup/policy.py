"""`flowaudit setup policy`."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowaudit.cli.options import app_of, closest
from flowaudit.cli.output import count, printable, say, volume
from flowaudit.errors import ConfigError, LakeError, QueryError, SetupError

if TYPE_CHECKING:
    from flowaudit.app import App, Region
    from flowaudit.inventory.asking import Asker
    from flowaudit.setup.least_privilege import Plan, Workloads


class PolicyFormat(StrEnum):
    """Content of stdout: a page for people with the policy in it, or the policy alone."""

    TEXT = "text"
    JSON = "json"


def policy(
    ctx: typer.Context,
    workload: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only for this workload; may be repeated.")
    ] = None,
    vpc: Annotated[str | None, typer.Option(metavar="VPC_ID", help="The VPC; default: that of [setup].")] = None,
    since: Annotated[str, typer.Option(metavar="TIME", help="Jobs that changed since then, or run now.")] = "-90d",
    format: Annotated[
        PolicyFormat, typer.Option(help="json: the policy alone, all else on stderr.")
    ] = PolicyFormat.TEXT,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the policy to a file.")] = None,
) -> None:
    """Print the narrowest S3 endpoint policy for what runs in the VPC.

    Reads SageMaker, EC2 and S3; changes nothing.
    """
    from flowaudit.config import parse_time
    from flowaudit.inventory.asking import Asker
    from flowaudit.setup.least_privilege import Workloads, plan

    app = app_of(ctx)
    now = datetime.now(UTC)
    from_when, region = parse_time(since, now), _region(app)
    vpc_id = vpc or app.config.setup.existing_vpc.id or _of_stack(app, region)
    if not (vpc_id or workload):
        raise ConfigError(
            "there is no VPC: name it with --vpc, make it with flowaudit setup apply, or name a --workload"
        )
    ask = Asker(region.account_id, region.region, region.client)
    subnets = () if workload else _subnets(ask, vpc_id)
    found = Workloads(ask, from_when)
    for name in workload or ():
        _check(name, found, ask)
    made = plan(ask, region.client("s3"), app.config.setup, vpc_id, found.reading(subnets, workload or ()))
    if output is not None:
        output.write_text(made.document.text + "\n", "utf-8")
    page = [*_head(made, vpc_id, from_when, workload or ()), *_page(made), *_traffic(app, made, vpc_id, now)]
    page += _command(made, region.region, output)
    _print(made.document.text if output is None else "", page, format)


def _print(document: str, page: Iterable[str], format: PolicyFormat) -> None:
    if format is PolicyFormat.JSON:
        say("\n".join(page))
        print(document, end="\n" if document else "")
        return
    if document:
        print(document, end="\n\n")
    for line in page:
        print("\n".join(map(printable, line.split("\n"))))


def _region(app: App) -> Region:
    """Return the region of [setup], else that of AWS's own chain; raises ConfigError."""
    from flowaudit.app.aws import regions

    wanted = app.config.setup.region
    own = {"assume_roles": (), **({"regions": (wanted,)} if wanted else {})}
    found, failures = regions(app.config.aws.model_copy(update=own))
    if failures:
        raise ConfigError(failures[0])
    return found[0]


def _of_stack(app: App, region: Region) -> str:
    """Return the VPC of the stack of [setup], "" where there is none; raises SetupError."""
    from flowaudit.setup.stack import Stack

    found = Stack(region.client("cloudformation"), app.config.setup.name).find()
    return found.outputs.get("VpcId", "") if found else ""


def _subnets(ask: Asker, vpc: str) -> Collection[str]:
    """Return the ids of a VPC's subnets; raises SetupError, or ConfigError where there are none."""
    found = ask.all("ec2", "describe_subnets", "Subnets", Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    if found is None:
        raise SetupError(f"the subnets of {vpc} are not known: {ask.gaps[0]}")
    if not found:
        raise ConfigError(f"--vpc {vpc}: there is no such VPC in {ask.region}, or it has no subnet")
    return [subnet["SubnetId"] for subnet in found]


def _check(name: str, found: Workloads, ask: Asker) -> None:
    names = {*found.names, *(each.rpartition("/")[2] for each in found.names)}
    if name not in names:
        refused = "".join(f"\n{gap}" for gap in ask.gaps)
        near = closest(name, names) or ": of jobs, only those that changed since --since, or run, are known"
        raise ConfigError(f"there is no workload {name!r}{near}{refused}")


def _head(made: Plan, vpc: str, since: datetime, named: Collection[str]) -> Iterator[str]:
    whose = ", ".join(named) if named else f"workloads in {vpc}"
    yield (
        f"{whose}: {count(len(made.reading.workloads), 'workload')}, {count(len(made.needs), 'S3 URI')}; "
        f"jobs that changed since {since:%Y-%m-%d %H:%M} UTC or run now; "
        f"{len(made.document.text):,} of 20,480 characters"
    )
    if named:
        yield "warning: only for what is named: applied, the policy denies S3 to every other workload of the VPC"
    if not made.document.scopes:
        yield "warning: nothing needs S3: the policy allows no bucket of yours"
    for gap in made.unread:
        yield f"warning: not read: {gap}: the policy lacks what it would have said"


def _page(made: Plan) -> Iterator[str]:
    from flowaudit.setup.least_privilege import UNREAD

    reading = made.reading
    needs = [(need.kind, need.workload, need.access.value, str(need.scope), need.field) for need in made.needs]
    needs += [
        (image.kind, image.workload, "read", f"image layers of Amazon ECR in {image.region}", image.field)
        for image in sorted(reading.images)
    ]
    yield from _table("Needed", [(f"{kind.replace('_', ' ')} {name}", *rest) for kind, name, *rest in needs])
    yield from _list(
        "Merged, as the policy would be too long",
        (
            f"{merge.scope} ({merge.access.value}) in place of {merge.prefixes:,} narrower ones"
            for merge in made.document.merges
        ),
    )
    yield from _list("Not served by this endpoint", made.elsewhere)
    yield from _list("Region not known, as HeadBucket has no answer: taken as the endpoint's", made.unlocated)
    yield from _list("Needed, but denied by the policy itself", made.unallowed)
    yield from _list(
        "Not known", (f"{kind.replace('_', ' ')} {name}: {why}" for kind, name, why in sorted(reading.unknown))
    )
    yield from _list(
        "Left out: no endpoint or job uses it; add it with --workload",
        (f"{kind.replace('_', ' ')} {name}" for kind, name in sorted(reading.unused)),
    )
    yield f"\nNot read: {', '.join(kind.replace('_', ' ') for kind in UNREAD)}."
    yield "Code in containers may use buckets that no field names."
    yield from _comparisons(made)


def _comparisons(made: Plan) -> Iterator[str]:
    yield from _list("Present policy not known", (str(gap) for gap in made.gaps if gap not in made.unread))
    for each in made.comparisons:
        title = f"{each.endpoint.id} at present"
        if each.problem:
            yield from _list(title, (f"its policy cannot be judged: {each.problem}",))
            continue
        yield from _list(f"{title}: does not allow what is needed", each.lacks or ("nothing is lacking",))
        yield from _list(f"{title}: allows what nothing needs", each.excess or ("nothing",))
        yield from _list(f"{title}: has conditions that cannot be judged here, taken as missing", each.unjudged)
        yield f"\n{each.diff}" if each.diff else f"\n{title}: has this policy"


def _traffic(app: App, made: Plan, vpc: str, now: datetime) -> Iterator[str]:
    """Yield what the policy means for traffic that was seen."""
    from flowaudit.model import Window
    from flowaudit.setup.least_privilege import LOOKBACK, outcomes, traffic

    title = f"Traffic to S3 over the gateway endpoint, the last {LOOKBACK.days} days"
    if not vpc or not app.lake.exists():
        yield from _list(title, ("not known: there is no lake" if vpc else "not known: there is no --vpc",))
        return
    needing = {(need.kind, need.workload) for need in made.needs}
    unknown = {(kind, name) for kind, name, _ in made.reading.unknown}
    known = outcomes(made.reading.workloads, needing, unknown)
    try:
        rows = list(traffic(app.lake, app.catalogue.views, vpc, Window(now - LOOKBACK, now), known))
    except (LakeError, QueryError) as error:
        yield from _list(title, (f"not known: {error}",))
        return
    lines = [(row.workload, count(row.flows, "flow"), volume(row.bytes), row.outcome) for row in rows]
    yield from _table(title, lines) if lines else _list(title, ("none",))
    yield "Flow logs name neither bucket nor key: which requests are denied is not known, only whose."


def _command(made: Plan, region: str, output: Path | None) -> Iterator[str]:
    """Yield the command that applies the policy, or why there is none."""
    yield ""
    if made.unread:
        yield "The command is left out: something was not read. Grant what is missing and try again."
    elif not made.comparisons:
        yield "The command is left out: no S3 gateway endpoint of the VPC is known."
    else:
        yield 'To keep it: --output FILE, s3_endpoint_policy = "FILE" in [setup], and flowaudit setup apply. At once:'
        file = shlex.quote(f"file://{output or 'policy.json'}")
        for each in made.comparisons:
            place = f"--region {shlex.quote(region)} --vpc-endpoint-id {shlex.quote(each.endpoint.id)}"
            yield f"aws ec2 modify-vpc-endpoint {place} \\"
            yield f"  --policy-document {file}"


def _list(title: str, lines: Iterable[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield f"\n{title}:"
        yield from (f"  {line}" for line in found)


def _table(title: str, rows: Collection[tuple[str, ...]]) -> Iterator[str]:
    if rows:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        cells: Callable[[tuple[str, ...]], str] = lambda row: "  ".join(map(str.ljust, row, widths)).rstrip()  # noqa: E731
        yield from _list(title, map(cells, rows))
