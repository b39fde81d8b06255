"""What an IAM policy document decides about a request, after the IAM User Guide, "Policy evaluation logic"."""

from __future__ import annotations

from flowaudit.policies.documents import Policy
from flowaudit.policies.requests import Decision, Request, Verdict
from flowaudit.policies.statements import Statement

__all__ = ["Decision", "Policy", "Request", "Statement", "Verdict"]
