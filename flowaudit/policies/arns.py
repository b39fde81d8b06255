"""ARNs as policies name them."""

from __future__ import annotations


def partition(region: str) -> str:
    """Return the first part of ARNs in a Region."""
    return {"us-gov": "aws-us-gov", "cn": "aws-cn"}.get(region.rpartition("-")[0].rpartition("-")[0], "aws")


def bucket_arn(region: str, path: str) -> str:
    """Return the ARN of a bucket, of objects in it, or of a pattern of either."""
    return f"arn:{partition(region)}:s3:::{path}"
