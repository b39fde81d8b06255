"""AWS is asked politely, and what does not answer is a gap, told once."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import EndpointConnectionError, InvalidRegionError

from flowaudit.errors import Stopped
from flowaudit.inventory.asking import SAID, Asker
from flowaudit.topology import Gap
from tests.inventory.vpcs import ACCOUNT, REGION, asker
from tests.sagemaker import Refusal, Wire, item

DOMAINS = ("sagemaker", "list_domains", "Domains")


def wired(stop: Event | None = None, **answers: Any) -> tuple[Asker, Wire]:
    """Ask real clients of SageMaker that are given these answers."""
    wire = Wire(**answers)
    return Asker(ACCOUNT, REGION, wire.clients.__getitem__, stop), wire


def only(ask: Asker) -> Gap:
    """The one gap there is."""
    (gap,) = ask.gaps
    return gap


def raises(error: Exception) -> Any:
    """An answer that is none: the wire is broken."""

    def answer(_: object) -> None:
        raise error

    return answer


class TestAnswers:
    """What is answered."""

    def test_pages_are_put_together(self) -> None:
        """Three pages of a list are one list; each page counts as a call, by its IAM action."""
        pages = {
            None: {"Domains": [item("domain", "d-1")], "NextToken": "2"},
            "2": {"Domains": [], "NextToken": "3"},
            "3": {"Domains": [item("domain", "d-2")]},
        }
        ask, _ = wired(ListDomains=lambda asked: pages[asked.get("NextToken")])
        found = ask.all(*DOMAINS)
        assert [one["DomainId"] for one in found or ()] == ["d-1", "d-2"]
        assert ask.calls == {"sagemaker:ListDomains": 3}

    def test_a_list_without_pages_is_one_call(self) -> None:
        """What AWS answers at once is asked once; a member that is missing is an empty list."""
        ask = asker(describe_nat_gateways={}, describe_account_attributes={"AccountAttributes": []})
        assert ask.all("ec2", "describe_nat_gateways", "NatGateways") == []
        assert ask.all("ec2", "describe_account_attributes", "AccountAttributes") == []
        assert ask.calls == {"ec2:DescribeNatGateways": 1, "ec2:DescribeAccountAttributes": 1}
        assert ask.gaps == ()

    def test_calls_are_counted_by_iam_action(self) -> None:
        """EFS's actions have another name than its client."""
        ask, _ = wired(DescribeMountTargets={"MountTargets": []})
        assert ask.one("efs", "describe_mount_targets", FileSystemId="fs-1") is not None
        assert ask.calls == {"elasticfilesystem:DescribeMountTargets": 1}

    def test_many_are_asked_side_by_side_and_answered_in_order(self) -> None:
        """One answer for each set of parameters, None for one that is gone; no questions, no answers."""
        gone = Refusal("ValidationException", "Could not find model 7.")
        ask, _ = wired(
            DescribeModel=lambda asked: gone if asked["ModelName"] == "7" else {"ModelName": asked["ModelName"]}
        )
        answers = ask.each(
            "sagemaker", "describe_model", [{"ModelName": str(n)} for n in range(50)], gone=("Could not",)
        )
        assert [answer and answer["ModelName"] for answer in answers] == [str(n) if n != 7 else None for n in range(50)]
        assert ask.calls == {"sagemaker:DescribeModel": 50}
        assert ask.gaps == ()
        assert ask.each("sagemaker", "describe_model", []) == []


class TestGaps:
    """What is not answered."""

    @pytest.mark.parametrize(
        ("answer", "reason", "transient"),
        [
            (
                Refusal("AccessDeniedException", "User is not authorized to perform: sagemaker:ListDomains"),
                "denied",
                False,
            ),
            (Refusal("UnauthorizedOperation"), "denied", False),
            (Refusal("AuthFailure"), "denied", False),
            (Refusal("OptInRequired", "You are not subscribed to this service."), "denied", False),
            (Refusal("ValidationException", "Not authorized."), "denied", False),
            (Refusal("ThrottlingException", "Rate exceeded"), "throttled", True),
            (Refusal("RequestLimitExceeded"), "throttled", True),
            (Refusal("UnknownOperationException"), "unsupported", False),
            (Refusal("InvalidAction"), "unsupported", False),
            (Refusal("InternalFailure", "Try again."), "failed", True),
            (raises(EndpointConnectionError(endpoint_url="https://192.0.2.1")), "unreachable", True),
        ],
    )
    def test_what_is_refused_is_one_gap(self, answer: Any, reason: str, transient: bool) -> None:
        """It has one word of a few for a reason, is noted once, and is not asked again in the same look."""
        ask, wire = wired(ListDomains=answer)
        assert [ask.all(*DOMAINS), ask.all(*DOMAINS), ask.one(*DOMAINS[:2])] == [None] * 3
        gap = only(ask)
        assert (gap.account_id, gap.region, gap.service, gap.operation) == (ACCOUNT, REGION, *DOMAINS[:2])
        assert (gap.reason, gap.transient) == (reason, transient)
        assert len(wire.asked) <= 1
        assert ask.calls == {"sagemaker:ListDomains": 1}

    def test_one_gap_is_no_other(self) -> None:
        """Other operations of the same service are asked all the same; gaps come in order."""
        ask, _ = wired(
            ListModels=Refusal("AccessDenied"), ListApps=Refusal("AccessDenied"), ListDomains={"Domains": []}
        )
        assert ask.all("sagemaker", "list_models", "Models") is None
        assert ask.all("sagemaker", "list_apps", "Apps") is None
        assert ask.all(*DOMAINS) == []
        assert [gap.operation for gap in ask.gaps] == ["list_apps", "list_models"]

    def test_a_page_that_is_refused_takes_the_list_along(self) -> None:
        """Half a list is no list: what is missing from it would look as if it were gone."""
        first = {"Domains": [item("domain", "d-1")], "NextToken": "2"}
        ask, _ = wired(ListDomains=lambda asked: Refusal("Throttling") if "NextToken" in asked else first)
        assert ask.all(*DOMAINS) is None
        assert only(ask).reason == "throttled"

    def test_what_is_gone_is_no_gap(self) -> None:
        """By the end of its code or a word of its message; another refusal of the same operation is one."""
        ask = asker(describe_vpc_attribute="InvalidVpcID.NotFound")
        asked = {"VpcId": "vpc-1", "Attribute": "enableDnsSupport"}
        assert ask.one("ec2", "describe_vpc_attribute", gone=("NotFound",), **asked) is None
        assert ask.gaps == ()
        assert ask.one("ec2", "describe_vpc_attribute", gone=("Malformed",), **asked) is None
        assert only(ask).reason == "failed"

    def test_a_denied_operation_ends_its_kind(self) -> None:
        """Of a thousand descriptions that are denied only those under way at that moment are asked for."""
        ask, wire = wired(DescribeModel=Refusal("AccessDeniedException"))
        assert ask.each("sagemaker", "describe_model", [{"ModelName": str(n)} for n in range(1000)]) == [None] * 1000
        assert 1 <= len(wire.asked) <= 8
        assert only(ask).reason == "denied"

    def test_messages_are_short_and_plain(self) -> None:
        """Of a page of HTML the words are kept, as far as they go into a line; what reaches AWS is text."""
        page = (
            "<html><head><title>403</title></head><body>" + "<p>Forbidden by the proxy</p>\n" * 100 + "</body></html>"
        )
        ask, _ = wired(ListDomains=Refusal("Forbidden", page))
        ask.all(*DOMAINS)
        message = only(ask).message
        assert len(message) <= SAID
        assert message.startswith(
            "An error occurred (Forbidden) when calling the ListDomains operation: 403 Forbidden by"
        )
        assert message.endswith(" …")
        assert not set("<>\n") & set(message)

    def test_the_same_refusal_reads_the_same_each_time(self) -> None:
        """What AWS makes up for each answer is left out of a message, so that a gap that stays is no news."""
        told = []
        for number in ("5f4dcc3b5aa765d61d8327deb882cf99", "098f6bcd4621d373cade4e832627b4f6"):
            said = f"Not authorized. (Request ID: {number}) Encoded authorization failure message: {number}=="
            ask, _ = wired(ListDomains=Refusal("UnauthorizedOperation", said))
            ask.all(*DOMAINS)
            told.append(only(ask).message)
        assert told[0] == told[1]
        assert told[0].endswith("operation: Not authorized.")

    def test_an_answer_that_is_not_awss_is_a_gap(self) -> None:
        """Where a proxy answers in EC2's place with a page of its own, nobody was reached."""
        ask = asker()
        page = AWSResponse("https://192.0.2.1", 200, {}, None)
        page._content = b"<html>Please log in</html"
        ask._client("ec2").meta.events.register("before-send.ec2", lambda **_: page)
        assert ask.all("ec2", "describe_vpcs", "Vpcs") is None
        assert only(ask).reason == "unreachable"

    def test_a_question_that_is_none_is_told_as_our_own(self) -> None:
        """What botocore does not let out has failed; the network is not to blame."""
        ask, _ = wired()
        assert ask.one("sagemaker", "describe_model") is None
        gap = only(ask)
        assert gap.reason == "failed"
        assert 'Missing required parameter in input: "ModelName"' in gap.message

    def test_a_fault_of_ours_is_not_hidden(self) -> None:
        """What no client of AWS's raises on purpose comes through."""
        ask, _ = wired(ListDomains=raises(NotImplementedError("nobody foresaw this")))
        with pytest.raises(NotImplementedError):
            ask.all(*DOMAINS)

    def test_a_client_that_cannot_be_made_is_a_gap(self) -> None:
        """A region whose name is none has gaps for answers, whatever is asked of it."""

        def none(_: str) -> Any:
            raise InvalidRegionError(region_name="no region")

        ask = Asker(ACCOUNT, "no region", none)
        assert not ask.takes("ec2", "describe_network_interfaces", "IncludeManagedResources")
        assert ask.knows(*DOMAINS[:2])
        assert ask.all(*DOMAINS) is None
        assert only(ask).reason == "unreachable"
        assert ask.calls == {}


class TestStop:
    """Somebody asks for an end."""

    def test_a_stop_comes_before_the_next_call(self) -> None:
        """Nothing more is asked once `stop` is set, be it the next page of a list."""
        stop = Event()

        def answer(_: object) -> dict[str, Any]:
            stop.set()
            return {"Domains": [], "NextToken": "2"}

        ask, wire = wired(stop, ListDomains=answer)
        with pytest.raises(Stopped):
            ask.all(*DOMAINS)
        assert len(wire.asked) == 1
        assert ask.gaps == ()

    def test_a_stop_ends_all_that_run_side_by_side(self) -> None:
        """It comes out of `each` too."""
        stop = Event()
        stop.set()
        ask, wire = wired(stop)
        with pytest.raises(Stopped):
            ask.each("sagemaker", "describe_model", [{"ModelName": str(n)} for n in range(20)])
        assert wire.asked == []


class TestWhatBotocoreKnows:
    """Older botocores know less."""

    def test_operations_and_parameters(self) -> None:
        """What the installed botocore does not have is told before it is asked."""
        ask, _ = wired()
        assert ask.knows("sagemaker", "list_domains")
        assert not ask.knows("sagemaker", "list_telepathies")
        assert ask.takes("sagemaker", "list_domains", "MaxResults")
        assert not ask.takes("sagemaker", "list_domains", "Mood")
