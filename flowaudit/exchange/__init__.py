"""Findings as other products read them: OCSF events, ASFF findings, a SARIF log. Pure: a `Case` in, plain JSON out."""

from flowaudit.exchange import asff, ocsf, sarif
from flowaudit.exchange.case import Case

__all__ = ["Case", "asff", "ocsf", "sarif"]
