"""The error codes of AWS, and botocore's own errors, each with the message that it becomes.

Sources: "Common errors" and the errors of each operation in the API references of Amazon SNS, SQS, EventBridge,
Security Hub and S3; AWS KMS's from the guides of SNS and SQS, "Key management". A number is an HTTP status.
"""

from __future__ import annotations

THROTTLED = "AWS throttles requests to {target} ({code}); the events are sent later"
DENIED = (
    "access to {target} is denied ({code}). Allow {action} on {resource} to these credentials, and in the "
    "resource's policy if it belongs to another account"
)
KMS = (
    "the key that encrypts {target} cannot be used ({code}). Allow kms:GenerateDataKey and kms:Decrypt on it to these "
    "credentials, in the key's policy too, and check that the key is enabled"
)
CREDENTIALS = (
    "no call to {target} is possible: the AWS credentials are missing, wrong or expired ({code}). Log in again "
    "(aws sso login), or correct AWS_PROFILE, the keys or the role"
)
CLOCK = "AWS rejects the time of a request ({code}): this machine's clock is wrong. Set it (NTP)"
GONE = "{target} does not exist ({code}). Check its name, account and region ({region}) in the configuration"
NO_HUB = (
    "{target} accepts no findings ({code}): Security Hub CSPM is not enabled in that account in {region}, or these "
    "credentials belong to another account. Enable it (aws securityhub enable-security-hub --region {region}), and "
    "check `roles`"
)
FAILED = "AWS failed with an internal error ({code}); the events are sent to {target} later"
UNREACHABLE = "{host} does not answer ({code}). Check the network, the proxy, the region and AWS_ENDPOINT_URL"
CERTIFICATE = (
    "the certificate of {host} is not trusted ({code}). Set AWS_CA_BUNDLE to the file with your certificate authority"
)
MALFORMED = "{target} refuses this event ({code}): {words}"
ENTRY = "{target} did not accept this event ({code}): {words}"
OTHER = "{target} takes no events at present ({code}). The API reference of {action} explains the code"

CODES: dict[str, str] = {
    **dict.fromkeys(
        (
            "429",
            "503",
            "KMS.ThrottlingException",
            "KMSThrottling",
            "KMSThrottlingException",
            "KmsThrottled",
            "LimitExceededException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "ServiceUnavailable",
            "SlowDown",
            "Throttled",
            "ThrottledException",
            "Throttling",
            "ThrottlingException",
            "TooManyRequestsException",
        ),
        THROTTLED,
    ),
    **dict.fromkeys(
        (
            "403",
            "AccessDenied",
            "AccessDeniedException",
            "AuthorizationError",
            "AuthorizationErrorException",
            "NotAuthorizedForDetailTypeException",
            "NotAuthorizedForSourceException",
        ),
        DENIED,
    ),
    **dict.fromkeys(
        (
            "KMSAccessDenied",
            "KMSAccessDeniedException",
            "KMSDisabled",
            "KMSDisabledException",
            "KMSInvalidState",
            "KMSInvalidStateException",
            "KMSNotFound",
            "KMSNotFoundException",
            "KMSOptInRequired",
            "KMS.AccessDeniedException",
            "KMS.DisabledException",
            "KMS.InvalidKeyUsageException",
            "KMS.InvalidStateException",
            "KMS.NotFoundException",
            "KMS.OptInRequired",
            "KmsAccessDenied",
            "KmsDisabled",
            "KmsInvalidKeyUsage",
            "KmsInvalidState",
            "KmsNotFound",
            "KmsOptInRequired",
        ),
        KMS,
    ),
    **dict.fromkeys(
        (
            "ExpiredToken",
            "ExpiredTokenException",
            "IncompleteSignature",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidSecurity",
            "InvalidSecurityException",
            "InvalidSignatureException",
            "InvalidToken",
            "MissingAuthenticationToken",
            "SignatureDoesNotMatch",
            "TokenRefreshRequired",
            "UnrecognizedClientException",
        ),
        CREDENTIALS,
    ),
    **dict.fromkeys(("RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"), CLOCK),
    **dict.fromkeys(
        (
            "404",
            "AWS.SimpleQueueService.NonExistentQueue",
            "InvalidAddress",
            "NoSuchBucket",
            "NotFound",
            "NotFoundException",
            "QueueDoesNotExist",
            "ResourceNotFoundException",
        ),
        GONE,
    ),
    **dict.fromkeys(("InvalidAccess", "InvalidAccessException"), NO_HUB),
    **dict.fromkeys(
        (
            "AWS.SimpleQueueService.BatchRequestTooLong",
            "BatchRequestTooLong",
            "BatchRequestTooLongException",
            "InvalidArgument",
            "InvalidInput",
            "InvalidInputException",
            "InvalidMessageContents",
            "InvalidParameter",
            "InvalidParameterException",
            "InvalidParameterValue",
            "InvalidParameterValueException",
            "MalformedDetail",
            "RedactionFailure",
            "SerializationException",
            "ValidationError",
            "ValidationException",
        ),
        MALFORMED,
    ),
    **dict.fromkeys(("500", "502", "504", "InternalError", "InternalException", "InternalFailure"), FAILED),
}

# By the names of botocore's classes, nearest first; all are BotoCoreErrors.
CLASSES: dict[str, str] = {
    **dict.fromkeys(
        (
            "CredentialRetrievalError",
            "LoginError",
            "NoCredentialsError",
            "PartialCredentialsError",
            "SSOError",
            "TokenRetrievalError",
        ),
        CREDENTIALS,
    ),
    "SSLError": CERTIFICATE,
    "ParamValidationError": MALFORMED,
    **dict.fromkeys(("ConnectionError", "HTTPClientError"), UNREACHABLE),
    "BotoCoreError": OTHER,
}
