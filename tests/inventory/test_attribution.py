"""Whose an interface is: one row a case, then what holds of all."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowaudit import config
from flowaudit.inventory.attribution import DESCRIPTIONS, Beginning, Rules, attribute, rules
from flowaudit.topology import Attribution, Interface, Owner, VpcConfig, Workload

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SINCE_THE_LAST_LOOK = Beginning(NOON - 5 * MINUTE, NOON)
ARN = "arn:aws:sagemaker:us-east-1:111122223333"
STUDIO = "[DO NOT DELETE] ENI managed by SageMaker for Studio Domain(d-g7djlrunxivy) - a09d795df1d5926f328cb6564db19ab2"
UNIFIED = "ENI managed by SageMaker for Studio Domain(d-g7djlrunxivy) - 946a4c21ed31356ee889a8dd95fde7cf"
NOTEBOOK = (
    "[Do not delete] Network Interface created to access resources in your VPC for SageMaker Notebook Instance nb"
)
TAG = "ManagedByAmazonSageMakerResource"
NODE = f"{ARN}:node/d-g7djlrunxivy/default-20230916t105232/system-jupyterserverorkernelgateway"
SESSION = "AROAEXAMPLEEXAMPLEEXA:SageMaker"


def interface(**changes: Any) -> Interface:
    """Return an interface of nobody known, in subnet-1 with sg-1."""
    plain = Interface(
        interface_id="eni-1",
        account_id="111122223333",
        region="us-east-1",
        subnet_id="subnet-1",
        status="in-use",
        interface_type="interface",
        security_groups=("sg-1",),
    )
    return replace(plain, **changes)


def workload(kind: str, name: str, groups: str = "sg-1", **changes: Any) -> Workload:
    """Return a workload that has run since yesterday in subnet-1 with some security groups."""
    plain = Workload(
        arn=f"{ARN}:{kind.replace('_', '-')}/{name}",
        kind=kind,
        name=name.rpartition("/")[2],
        account_id="111122223333",
        region="us-east-1",
        running=True,
        created_at=NOON - 24 * HOUR,
        vpc_configs=(VpcConfig(subnets=("subnet-1",), security_groups=tuple(groups.split())),),
    )
    return replace(plain, **changes)


ENDPOINT, OTHER_ENDPOINT = workload("endpoint", "a"), workload("endpoint", "b")
MODEL, ENDPOINT_CONFIG = workload("model", "m"), workload("endpoint_config", "c")
TUNING = workload("hyper_parameter_tuning_job", "t")
TRAINING = workload("training_job", "t-1", parent=TUNING.arn)
OTHER_TRAINING = workload("training_job", "t-2", parent=TUNING.arn)
DOMAIN = workload("domain", "d-g7djlrunxivy", "sg-studio")
DOMAINS_NAME = replace(DOMAIN, name="research")
USER = f"{ARN}:user-profile/d-g7djlrunxivy/default-20230916t105232"
PROFILE = workload("user_profile", "d-g7djlrunxivy/default-20230916t105232", "sg-studio", parent=DOMAIN.arn)
LAB = workload("app", "d-g7djlrunxivy/default-20230916T105232/JupyterLab/lab", "sg-studio", parent=USER)
CODE = workload("app", "d-g7djlrunxivy/default-20230916T105232/CodeEditor/code", "sg-studio", parent=USER)
SOMEBODYS = workload("app", "d-g7djlrunxivy/somebody/JupyterLab/lab", "sg-studio")
BOOK = workload("notebook_instance", "nb", "sg-2", interface_ids=("eni-1",))
TAGGED = interface(tags=((TAG, NODE),))


def told(attribution: Attribution, confidence: float, of: Workload | None = None, **changes: Any) -> Interface:
    """Return the interface as it was told in an earlier look."""
    named = {"workload_kind": of.kind, "workload": of.name, "workload_arn": of.arn} if of else {}
    how = {"owner": Owner.SAGEMAKER, "attribution": attribution, "confidence": confidence, "evidence": "as before"}
    return interface(**{**how, **named, **changes})


def ended(of: Workload, ago: timedelta) -> Workload:
    """Return a workload that ended some time ago."""
    return replace(of, running=False, ended_at=NOON - ago)


def tell(found: Interface, *workloads: Workload, before: Interface | None = None, **more: Any) -> Interface:
    """Return what is told of one interface at noon."""
    old = {before.interface_id: before} if before else {}
    began = {found.interface_id: more.get("began", SINCE_THE_LAST_LOOK)}
    (answer,) = attribute([found], workloads, old, began, more.get("rules", Rules()), NOON)
    return answer


@dataclass(frozen=True)
class Case:
    """What is found, what is known, and what is told."""

    says: str
    found: Interface
    known: tuple[Workload, ...] = ()
    told: Workload | tuple[Workload, ...] | None = None
    how: Attribution = Attribution.NONE
    sure: float = 0.0
    before: Interface | None = None
    began: Beginning = SINCE_THE_LAST_LOOK
    rules: Rules = field(default_factory=Rules)
    owner: str = Owner.SAGEMAKER


EXACT, BY_TAG, DESCRIBED = Attribution.EXACT_ID, Attribution.TAG, Attribution.DESCRIPTION
GROUPS, WORD = Attribution.SECURITY_GROUPS, Attribution.OPERATOR
NAT = interface(owner=Owner.NAT_GATEWAY, evidence="its type is nat_gateway")
MOUNT_TARGET = interface(owner=Owner.EFS, evidence="its type is efs")
REWRITTEN = interface(description="ELB x", owner=Owner.LOAD_BALANCER, evidence="its description is 'ELB x'")
PLAIN = interface()
IDLE = interface(status="available")
BOTH = (ENDPOINT, OTHER_ENDPOINT)
SAME_GROUPS = told(GROUPS, 0.8, ENDPOINT)
UNDECIDED = told(GROUPS, 0.8, candidates=(ENDPOINT.arn, OTHER_ENDPOINT.arn))
SUBNET_IS_OURS = Rules(subnets=frozenset({"subnet-1"}))
HOSTED = Rules(descriptions=((re.compile("^hosted"), "endpoint"), *DESCRIPTIONS))
NOBODY_LOOKED = Beginning(None, NOON)

# fmt: off
CASES = [
    # what AWS itself says
    Case("an id that AWS names decides", PLAIN, (BOOK, ENDPOINT), BOOK, EXACT, 1.0),
    Case("a mount target of a domain is the domain's, though it is EFS's too", MOUNT_TARGET,
         (replace(DOMAIN, interface_ids=("eni-1",)), LAB), DOMAIN, EXACT, 1.0),
    Case("an id comes before a tag", TAGGED, (BOOK, LAB), BOOK, EXACT, 1.0),
    Case("a tag leads to the user's app", TAGGED, (DOMAIN, LAB, SOMEBODYS), LAB, BY_TAG, 1.0),
    Case("a tag that names one of two apps leads to that", interface(tags=((TAG, f"{NODE.rpartition('/')[0]}/code"),)),
         (LAB, CODE), CODE, BY_TAG, 1.0),
    Case("two apps of the user fit a tag", TAGGED, (DOMAIN, LAB, CODE), (CODE, LAB), BY_TAG, 1.0),
    Case("without a listed app a tag leads to the domain", TAGGED, (DOMAINS_NAME, SOMEBODYS), DOMAINS_NAME, BY_TAG,
         1.0),
    Case("a tag may be the ARN of a workload", interface(tags=((TAG, DOMAIN.arn),)), (DOMAIN, LAB), DOMAIN, BY_TAG,
         1.0),
    Case("a user's settings give way to the user's app", interface(tags=((TAG, USER),)),
         (DOMAIN, PROFILE, LAB, SOMEBODYS), LAB, BY_TAG, 1.0),
    Case("a tag wins over another service's interface", replace(NAT, tags=TAGGED.tags), (LAB,), LAB, BY_TAG, 1.0),
    Case("a tag without an ARN is SageMaker's all the same", interface(tags=((TAG, "yes"),)), (), None, BY_TAG, 1.0),
    Case("the tag may be called otherwise", interface(tags=(("ours", LAB.arn),)), (LAB,), LAB, BY_TAG, 1.0,
         rules=Rules(tag="ours")),
    Case("another tag says nothing", interface(tags=(("Name", "sagemaker"),)), owner=Owner.UNKNOWN),
    # descriptions
    Case("a description names the domain", interface(description=STUDIO), (DOMAINS_NAME,), DOMAINS_NAME, DESCRIBED,
         0.95),
    Case("a domain gives way to its app", interface(description=UNIFIED), (DOMAIN, LAB), LAB, DESCRIBED, 0.95),
    Case("an app that came later is not meant", interface(description=STUDIO),
         (DOMAIN, replace(LAB, created_at=NOON + 2 * MINUTE)), DOMAIN, DESCRIBED, 0.95),
    Case("two apps of a domain fit", interface(description=STUDIO), (DOMAIN, LAB, SOMEBODYS), (LAB, SOMEBODYS),
         DESCRIBED, 0.95),
    Case("a description names the notebook", interface(description=NOTEBOOK),
         (replace(BOOK, interface_ids=()), ENDPOINT), BOOK, DESCRIBED, 0.95),
    Case("a description may name the notebook by its ARN", interface(description=f"{NOTEBOOK[:-2]}{BOOK.arn}"),
         (replace(BOOK, interface_ids=()),), BOOK, DESCRIBED, 0.95),
    Case("a pattern without name leaves the naming to the security groups", interface(description="hosted"),
         (ENDPOINT, TRAINING), ENDPOINT, DESCRIBED, 0.95, rules=HOSTED),
    Case("a kind alone is told as a kind", interface(description="hosted"), (TRAINING,), None, DESCRIBED, 0.95,
         rules=HOSTED),
    Case("that somebody writes of SageMaker is no proof", interface(description="my sagemaker proxy"),
         owner=Owner.UNKNOWN),
    Case("a description does not take another service's interface", replace(NAT, description=STUDIO), (DOMAIN,),
         owner=Owner.NAT_GATEWAY),
    # security groups and subnets
    Case("the same security groups in the subnet", PLAIN, (ENDPOINT,), ENDPOINT, GROUPS, 0.8),
    Case("some of the security groups", PLAIN, (workload("endpoint", "a", "sg-1 sg-2"),), ENDPOINT, GROUPS, 0.6),
    Case("the same ones come before some of them", PLAIN, (ENDPOINT, workload("endpoint", "b", "sg-1 sg-2")),
         ENDPOINT, GROUPS, 0.8),
    Case("other security groups are no fit", interface(security_groups=("sg-9",)), (ENDPOINT,), owner=Owner.UNKNOWN),
    Case("no security groups are no fit", interface(security_groups=()), (workload("endpoint", "a", ""),),
         owner=Owner.UNKNOWN),
    Case("another subnet is no fit", interface(subnet_id="subnet-9"), (ENDPOINT,), owner=Owner.UNKNOWN),
    Case("no subnet is no fit", interface(subnet_id=None), (ENDPOINT,), owner=Owner.UNKNOWN),
    Case("another service's interface is left alone", NAT, (ENDPOINT,), owner=Owner.NAT_GATEWAY),
    Case("a session called SageMaker makes it surer", interface(requester_id=SESSION), (ENDPOINT,), ENDPOINT, GROUPS,
         0.9),
    Case("a session called SageMaker makes a loose fit surer", interface(requester_id=SESSION),
         (workload("endpoint", "a", "sg-1 sg-2"),), ENDPOINT, GROUPS, 0.7),
    Case("a session called SageMaker proves nothing", interface(requester_id=SESSION), owner=Owner.UNKNOWN),
    Case("two workloads fit", PLAIN, BOTH, BOTH, GROUPS, 0.8),
    Case("workloads of two kinds fit", PLAIN, (ENDPOINT, TRAINING), (ENDPOINT, TRAINING), GROUPS, 0.8),
    Case("models and configurations run nothing", PLAIN, (MODEL, ENDPOINT_CONFIG, ENDPOINT), ENDPOINT, GROUPS, 0.8),
    Case("a model alone is no answer", PLAIN, (MODEL,), owner=Owner.UNKNOWN),
    Case("a job definition is no answer", PLAIN, (workload("data_quality_job_definition", "q"),), owner=Owner.UNKNOWN),
    Case("a tuning job gives way to its training job", PLAIN, (TUNING, TRAINING), TRAINING, GROUPS, 0.8),
    Case("two training jobs of a tuning job fit", PLAIN, (TUNING, TRAINING, OTHER_TRAINING),
         (TRAINING, OTHER_TRAINING), GROUPS, 0.8),
    Case("a tuning job whose training jobs nobody knows", PLAIN, (TUNING,), TUNING, GROUPS, 0.8),
    # when
    Case("who came after the interface did not make it", PLAIN, (replace(ENDPOINT, created_at=NOON + 2 * MINUTE),),
         owner=Owner.UNKNOWN),
    Case("clocks may be a minute apart", PLAIN, (replace(ENDPOINT, created_at=NOON + MINUTE),), ENDPOINT, GROUPS, 0.8),
    Case("it was there when it was attached", interface(attached_at=NOON - HOUR),
         (ENDPOINT, replace(OTHER_ENDPOINT, created_at=NOON - HOUR / 2)), ENDPOINT, GROUPS, 0.8),
    Case("who ended before it came about did not make it", PLAIN, (ended(ENDPOINT, 7 * MINUTE),), owner=Owner.UNKNOWN),
    Case("who ended meanwhile may have made it", PLAIN, (ended(ENDPOINT, 3 * MINUTE), OTHER_ENDPOINT), BOTH, GROUPS,
         0.8),
    Case("who was stopped meanwhile may have made it", PLAIN,
         (replace(ENDPOINT, running=False, modified_at=NOON - 3 * MINUTE),), ENDPOINT, GROUPS, 0.8),
    Case("who does not run, and was not changed since, did not make it", PLAIN,
         (replace(ENDPOINT, running=False, modified_at=NOON - HOUR),), owner=Owner.UNKNOWN),
    Case("who does not run, and nobody knows since when, is not named", PLAIN, (replace(ENDPOINT, running=False),),
         owner=Owner.UNKNOWN),
    Case("where nobody had looked, who ended lately may still have it", PLAIN,
         (ended(ENDPOINT, 7 * HOUR), OTHER_ENDPOINT), BOTH, GROUPS, 0.8, began=NOBODY_LOOKED),
    Case("where nobody had looked, who ended long ago has it no more", PLAIN,
         (ended(ENDPOINT, 9 * HOUR), OTHER_ENDPOINT), OTHER_ENDPOINT, GROUPS, 0.8, began=NOBODY_LOOKED),
    Case("what is not in use may be left over from any of them", IDLE, (ended(ENDPOINT, 9 * HOUR), OTHER_ENDPOINT),
         BOTH, GROUPS, 0.8, began=NOBODY_LOOKED),
    # the operator's word
    Case("the operator names the interface", NAT, (), None, WORD, 0.7, rules=Rules(interfaces=frozenset({"eni-1"}))),
    Case("the operator names its subnet", PLAIN, (), None, WORD, 0.7, rules=SUBNET_IS_OURS),
    Case("the operator names its security group", PLAIN, (), None, WORD, 0.7,
         rules=Rules(security_groups=frozenset({"sg-1"}))),
    Case("the operator names another subnet", PLAIN, rules=Rules(subnets=frozenset({"subnet-9"})), owner=Owner.UNKNOWN),
    Case("on the operator's word a workload of the subnet is enough", interface(security_groups=("sg-9",)),
         (ENDPOINT,), ENDPOINT, WORD, 0.7, rules=SUBNET_IS_OURS),
    Case("two workloads of the operator's subnet fit", interface(security_groups=("sg-9",)), BOTH, BOTH, WORD, 0.7,
         rules=SUBNET_IS_OURS),
    Case("what fits comes before the operator's word", PLAIN, (ENDPOINT,), ENDPOINT, GROUPS, 0.8, rules=SUBNET_IS_OURS),
    # once told, told for life
    Case("a second workload with the same groups takes nothing away", PLAIN, BOTH, ENDPOINT, GROUPS, 0.8, SAME_GROUPS),
    Case("the end of a workload takes nothing away", PLAIN, (ended(ENDPOINT, 9 * HOUR), OTHER_ENDPOINT), ENDPOINT,
         GROUPS, 0.8, SAME_GROUPS),
    Case("no answer takes nothing away", PLAIN, (), ENDPOINT, GROUPS, 0.8, SAME_GROUPS),
    Case("a looser fit takes nothing away", PLAIN, (workload("endpoint", "b", "sg-1 sg-2"),), ENDPOINT, GROUPS, 0.8,
         SAME_GROUPS),
    Case("a tag that is gone was there", PLAIN, (ENDPOINT,), LAB, BY_TAG, 1.0, told(BY_TAG, 1.0, LAB)),
    Case("something stronger corrects", PLAIN, (BOOK, ENDPOINT), BOOK, EXACT, 1.0, SAME_GROUPS),
    Case("something stronger that leaves it open corrects nothing", interface(description="hosted"), BOTH, ENDPOINT,
         GROUPS, 0.8, replace(SAME_GROUPS, description="hosted"), rules=HOSTED),
    Case("the part may take the place of the whole", PLAIN, (TUNING, TRAINING), TRAINING, GROUPS, 0.8,
         told(GROUPS, 0.8, TUNING)),
    Case("the whole does not take the place of the part", PLAIN, (TUNING,), TRAINING, GROUPS, 0.8,
         told(GROUPS, 0.8, TRAINING)),
    Case("an app that is listed later takes the place of the tag's ARN", TAGGED, (LAB,), LAB, BY_TAG, 1.0,
         told(BY_TAG, 1.0, workload_arn=NODE)),
    Case("what was open and fits one more is open among more", PLAIN, (*BOTH, TRAINING), (*BOTH, TRAINING), GROUPS,
         0.8, UNDECIDED),
    Case("what was open stays open while one of them ended lately", PLAIN, (ended(ENDPOINT, MINUTE), OTHER_ENDPOINT),
         BOTH, GROUPS, 0.8, UNDECIDED),
    Case("what was open is decided when only one can still use it", PLAIN,
         (ended(ENDPOINT, 9 * HOUR), OTHER_ENDPOINT), OTHER_ENDPOINT, GROUPS, 0.8, UNDECIDED,
         began=Beginning(NOON - 48 * HOUR, NOON - 24 * HOUR)),
    Case("silence about a candidate clears nobody", PLAIN, (OTHER_ENDPOINT,), BOTH, GROUPS, 0.8, UNDECIDED),
    Case("silence about all candidates clears nobody", PLAIN, (), BOTH, GROUPS, 0.8, UNDECIDED),
    Case("a mere fit gives way to another service's own interface", NAT, (ENDPOINT,), before=SAME_GROUPS,
         owner=Owner.NAT_GATEWAY),
    Case("whoever rewrites a description hides nothing", REWRITTEN, (ENDPOINT,), ENDPOINT, GROUPS, 0.8, SAME_GROUPS),
    Case("another service's interface stays so when nobody answers", PLAIN, (ENDPOINT,), before=NAT,
         owner=Owner.NAT_GATEWAY),
    Case("what nobody knew may be known later", PLAIN, (ENDPOINT,), ENDPOINT, GROUPS, 0.8, PLAIN),
    Case("the operator may take the word back", PLAIN, (), before=told(WORD, 0.7, ENDPOINT), owner=Owner.UNKNOWN),
    Case("the operator's word holds while it is said", interface(security_groups=("sg-9",)), BOTH, ENDPOINT, WORD,
         0.7, told(WORD, 0.7, ENDPOINT), rules=SUBNET_IS_OURS),
]
# fmt: on


@pytest.mark.parametrize("case", CASES, ids=[case.says for case in CASES])
def test_whose_an_interface_is(case: Case) -> None:
    """Each row holds: owner, workload or candidates, how it is known, how surely, and some evidence in words."""
    answer = tell(case.found, *case.known, before=case.before, began=case.began, rules=case.rules)
    assert (answer.owner, answer.attribution, answer.confidence) == (case.owner, case.how, case.sure)
    several = case.told if isinstance(case.told, tuple) else ()
    assert answer.candidates == tuple(sorted(each.arn for each in several))
    if isinstance(case.told, Workload):
        assert (answer.workload_arn, answer.workload) == (case.told.arn, case.told.name)
        assert answer.workload_kind == case.told.kind
    elif several:
        assert (answer.workload, answer.workload_arn) == (None, None)
    assert bool(answer.evidence) == (answer.owner != Owner.UNKNOWN)
    again = tell(case.found, *case.known, before=answer, began=case.began, rules=case.rules)
    assert again == answer


def test_every_row_is_said_once() -> None:
    """No two rows tell the same case."""
    assert len({case.says for case in CASES}) == len(CASES)


@pytest.mark.parametrize(
    ("found", "known", "evidence"),
    [
        (PLAIN, (BOOK,), "AWS names eni-1 as its interface"),
        (TAGGED, (LAB,), f"its tag {TAG} is {NODE!r}"),
        (interface(description=STUDIO), (DOMAIN,), f"its description is {STUDIO!r}"),
        (PLAIN, (ENDPOINT,), "subnet-1 and sg-1 are those of its VpcConfig"),
        (
            interface(security_groups=("sg-1", "sg-nfs")),
            (ENDPOINT,),
            "subnet-1 and sg-1 stand in its VpcConfig too, but not all security groups are the same",
        ),
        (PLAIN, (ENDPOINT, TRAINING), "subnet-1 and sg-1 are those of its VpcConfig; 2 workloads fit"),
        (
            PLAIN,
            (TRAINING, OTHER_TRAINING),
            f"subnet-1 and sg-1 are those of its VpcConfig; 2 workloads fit, all parts of {TUNING.arn}",
        ),
    ],
)
def test_the_evidence_is_in_words(found: Interface, known: tuple[Workload, ...], evidence: str) -> None:
    """A reader sees what an attribution rests on, and what the candidates have in common."""
    assert tell(found, *known).evidence == evidence


def test_what_a_missing_candidate_is_a_part_of_is_not_said() -> None:
    """Of a candidate that is not listed this time, nothing but its ARN is known."""
    open_ = told(GROUPS, 0.8, candidates=(TRAINING.arn, OTHER_TRAINING.arn))
    answer = tell(PLAIN, TRAINING, before=open_)
    assert answer.candidates == (TRAINING.arn, OTHER_TRAINING.arn)
    assert answer.evidence == "subnet-1 and sg-1 are those of its VpcConfig; 2 workloads fit"


def test_a_corrected_pattern_corrects_the_kind() -> None:
    """A kind that nothing but the operator's pattern told of is what the pattern says now."""
    hosted = interface(description="hosted")
    before = told(DESCRIBED, 0.95, description="hosted", workload_kind="training_job")
    assert tell(hosted, before=before, rules=HOSTED).workload_kind == "endpoint"


def test_what_is_not_listed_is_called_as_aws_calls_it() -> None:
    """Where no workload is known, a tag's ARN and the name in a description stand for it."""
    tagged = tell(TAGGED)
    assert (tagged.workload_kind, tagged.workload_arn) == ("app", NODE)
    assert tagged.workload == "d-g7djlrunxivy/default-20230916t105232/system-jupyterserverorkernelgateway"
    described = tell(interface(description=STUDIO))
    assert (described.workload_kind, described.workload, described.workload_arn) == ("domain", "d-g7djlrunxivy", None)
    hosted = tell(interface(description="hosted"), rules=HOSTED)
    assert (hosted.workload_kind, hosted.workload, hosted.workload_arn) == ("endpoint", None, None)


def test_a_domain_that_is_not_listed_any_more_keeps_its_name() -> None:
    """What a tag or a description led to once is not called by its bare id when it is not listed."""
    for found in (interface(tags=((TAG, DOMAIN.arn),)), interface(description=STUDIO)):
        first = tell(found, DOMAINS_NAME)
        assert tell(found, before=first) == first
        assert first.workload == "research"


def test_facts_of_the_interface_are_of_this_look() -> None:
    """What was told before is kept; addresses, status and groups are as they are now."""
    answer = tell(interface(status="available", private_addresses=("10.0.0.9",)), before=SAME_GROUPS)
    assert answer == replace(SAME_GROUPS, status="available", private_addresses=("10.0.0.9",))


def test_all_interfaces_come_back_sorted() -> None:
    """Each interface found has its answer, in order of ids, also one of which nobody knows when it came about."""
    found = [interface(interface_id=f"eni-{number}") for number in (3, 1, 2)]
    answers = attribute(found, [ENDPOINT], {}, {}, Rules(), NOON)
    assert [(each.interface_id, each.workload) for each in answers] == [("eni-1", "a"), ("eni-2", "a"), ("eni-3", "a")]


def test_the_configuration_makes_rules() -> None:
    """The operator's patterns are tried before the built-in ones, and the three lists are the operator's word."""
    given = config.Description(pattern=r"^Hosted (?P<name>\S+)", kind="endpoint")
    made = rules(
        config.Scope(interfaces=("eni-1",), subnets=("subnet-1",), security_groups=("sg-1",)),
        config.Attribution(tag="ours", descriptions=(given,)),
    )
    assert made.tag == "ours"
    assert [kind for _, kind in made.descriptions] == ["endpoint", "domain", "notebook_instance"]
    assert made.word(interface()) == "eni-1, subnet-1, sg-1"
    assert tell(interface(description="Hosted a"), *BOTH, rules=made).workload_arn == ENDPOINT.arn
    assert rules(config.Scope(), config.Attribution()) == Rules()


GROUP = st.sampled_from(("sg-1", "sg-2", "sg-3"))
MOMENT = st.none() | st.integers(-600, 600).map(lambda minutes: NOON + minutes * MINUTE)


@st.composite
def workloads(draw: st.DrawFn) -> list[Workload]:
    """Workloads of several kinds, some parts of others, in two subnets, at any time."""
    names = draw(st.lists(st.sampled_from("abcdef"), unique=True, max_size=6))
    made: list[Workload] = []
    for name in names:
        kind = draw(st.sampled_from(("endpoint", "training_job", "hyper_parameter_tuning_job", "model")))
        vpc = VpcConfig(
            subnets=tuple(draw(st.sets(st.sampled_from(("subnet-1", "subnet-2")), min_size=1))),
            security_groups=tuple(draw(st.sets(GROUP, min_size=1))),
        )
        parent = draw(st.sampled_from([None, *(each.arn for each in made)]))
        times = {key: draw(MOMENT) for key in ("created_at", "modified_at", "ended_at")}
        ids = draw(st.sampled_from(((), (), ("eni-1",))))
        changes: dict[str, Any] = {"parent": parent, "interface_ids": ids, "vpc_configs": (vpc,), **times}
        made.append(workload(kind, name, running=draw(st.booleans()), **changes))
    return made


@st.composite
def looks(draw: st.DrawFn) -> tuple[list[Interface], dict[str, Beginning], Rules]:
    """Interfaces of all sorts, when they came about, and what the operator says."""
    found = [
        interface(
            interface_id=f"eni-{number}",
            subnet_id=draw(st.sampled_from(("subnet-1", "subnet-2"))),
            security_groups=tuple(sorted(draw(st.sets(GROUP)))),
            status=draw(st.sampled_from(("in-use", "available"))),
            owner=draw(st.sampled_from((Owner.UNKNOWN, Owner.UNKNOWN, Owner.EFS))),
            tags=draw(st.sampled_from(((), ((TAG, f"{ARN}:endpoint/a"),), ((TAG, NODE),)))),
            description=draw(st.sampled_from(("", "hosted", STUDIO))),
        )
        for number in range(1, draw(st.integers(1, 4)))
    ]
    began = {each.interface_id: Beginning(draw(MOMENT), draw(MOMENT)) for each in found}
    return found, began, replace(HOSTED, subnets=frozenset(draw(st.sets(st.just("subnet-2")))))


def possible(each: Workload, began: Beginning) -> bool:
    """Tell whether a workload was there when the interface came about, as plainly as it can be said."""
    late = began.latest and each.created_at and each.created_at > began.latest + MINUTE
    end = each.ended_at or each.modified_at
    early = not each.running and (end is None or (began.earliest is not None and end + MINUTE < began.earliest))
    return not late and not early


@settings(deadline=None)  # a busy machine is no fault
@given(known=workloads(), look=looks(), data=st.data())
def test_what_holds_of_all(
    known: list[Workload], look: tuple[list[Interface], dict[str, Beginning], Rules], data: st.DataObject
) -> None:
    """Only who is possible is named, order means nothing, and a second look at the same tells the same."""
    found, began, made = look
    answers = attribute(found, known, {}, began, made, NOON)
    listed = {each.arn: each for each in known}
    for answer in answers:
        for arn in filter(None, (answer.workload_arn, *answer.candidates)):
            if answer.attribution in (DESCRIBED, GROUPS, WORD):
                assert possible(listed[arn], began[answer.interface_id])
            assert arn not in listed or listed[arn].kind != "model"
        assert len(answer.candidates) != 1
        assert not (answer.workload_arn and answer.candidates)
    mixed, shuffled = data.draw(st.permutations(found)), data.draw(st.permutations(known))
    assert attribute(mixed, shuffled, {}, began, made, NOON) == answers
    before = {each.interface_id: each for each in answers}
    assert attribute(found, known, before, began, made, NOON) == answers


@settings(deadline=None)  # a busy machine is no fault
@given(known=workloads(), later=workloads(), look=looks())
def test_nothing_is_ever_taken_back(
    known: list[Workload], later: list[Workload], look: tuple[list[Interface], dict[str, Beginning], Rules]
) -> None:
    """Whatever another look finds, what is known of an interface is as strong as before, and not ambiguous again."""
    found, began, made = look
    first = {each.interface_id: each for each in attribute(found, known, {}, began, made, NOON)}
    ranks = list(Attribution)
    for answer in attribute(found, later, first, began, made, NOON + HOUR):
        old = first[answer.interface_id]
        assert (-ranks.index(Attribution(answer.attribution)), answer.confidence) >= (
            -ranks.index(Attribution(old.attribution)),
            old.confidence,
        )
        if old.owner == Owner.SAGEMAKER:
            assert answer.owner == Owner.SAGEMAKER
