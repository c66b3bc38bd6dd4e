"""Whether a request is signed as AWS wants it: computed again by botocore's signer, and refused in the words of the service."""

import calendar
import hashlib
import re
import time

import botocore.auth
import botocore.awsrequest
import botocore.credentials

from refused import Refused

UNSIGNED = "UNSIGNED-PAYLOAD"
AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?"
                           r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})")

# What is wrong → by service, status and code. EC2 and STS share a front end.
CODES = {
    "none": {"ebs": (403, "MissingAuthenticationTokenException"), "ec2": (400, "MissingAuthenticationToken"), "s3": (403, "AccessDenied")},
    "key": {"ebs": (403, "UnrecognizedClientException"), "ec2": (401, "AuthFailure"), "s3": (403, "InvalidAccessKeyId")},
    "token": {"ebs": (403, "UnrecognizedClientException"), "ec2": (401, "AuthFailure"), "s3": (400, "InvalidToken")},
    "signature": {"ebs": (403, "InvalidSignatureException"), "ec2": (403, "SignatureDoesNotMatch"), "s3": (403, "SignatureDoesNotMatch")},
    "digest": {"ebs": (403, "InvalidSignatureException"), "ec2": (403, "SignatureDoesNotMatch"), "s3": (400, "XAmzContentSHA256Mismatch")},
    "expired": {"ebs": (403, "InvalidSignatureException"), "ec2": (400, "RequestExpired"), "s3": (403, "RequestTimeTooSkewed")},
    "early": {"ebs": (403, "InvalidSignatureException"), "ec2": (401, "AuthFailure"), "s3": (403, "RequestTimeTooSkewed")},
}
MOST_SKEW_S = {"ebs": 300, "ec2": 300, "s3": 900}


def refused(kind, service, message):
    status, code = CODES[kind]["ec2" if service == "sts" else service]
    return Refused(status, code, message)


def check(request, guessed_service, secrets, now):
    """The (access key, region, service) that signed. 'secrets': access key → (secret, token or None)."""
    match = AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if not match or match[4] not in ("ebs", "ec2", "s3", "sts"):
        raise refused("none", guessed_service, "no AWS4-HMAC-SHA256 authorization for a service of ours")
    key, day, region, service, names, signature = match.groups()
    if key not in secrets:
        raise refused("key", service, "unknown access key")
    secret, token = secrets[key]
    if request.headers.get("x-amz-security-token") != token:
        raise refused("token", service, "wrong session token")
    _check_signed_names(request, service, names.split(";"))
    _check_time(request, service, day, now)
    _check_body_digest(request, service)
    if _signature(request, (key, secret, token), region, service, names.split(";")) != signature:
        raise refused("signature", service, "the signature is not botocore's")
    return key, region, service


def check_payload(request, service, operation):
    """A body may be unsigned where the model says so, and in S3."""
    if request.headers.get("x-amz-content-sha256") == UNSIGNED and service != "s3" and operation.auth_type != "v4-unsigned-body":
        raise refused("digest", service, f"{operation.name} needs a signed body")


def _check_signed_names(request, service, names):
    must = {name for name in request.headers if name.startswith("x-amz-")} | {"host"}
    must |= {"content-type"} & set(request.headers)
    missing = must - set(names)
    if missing or names != sorted(names):
        raise refused("signature", service, f"not signed: {sorted(missing)}")


def _check_time(request, service, day, now):
    stamp = request.headers.get("x-amz-date", "")
    if not re.fullmatch(r"\d{8}T\d{6}Z", stamp) or not stamp.startswith(day):
        raise refused("signature", service, "x-amz-date is none")
    sent = calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))
    most = MOST_SKEW_S.get(service, 300)
    limit = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now - most if sent < now else now + most))
    if sent < now - most:
        raise refused("expired", service, f"Signature expired: {stamp} is now earlier than {limit}")
    if sent > now + most:
        raise refused("early", service, f"Signature not yet current: {stamp} is still later than {limit}")


def _check_body_digest(request, service):
    said = request.headers.get("x-amz-content-sha256")
    if said is None and service == "s3":
        raise Refused(400, "MissingSecurityHeader", "x-amz-content-sha256 is missing")
    if said not in (None, UNSIGNED) and said != hashlib.sha256(request.body).hexdigest():
        raise refused("digest", service, "the body has another digest")


def _signature(request, credentials, region, service, names):
    # botocore's signer signs every header it is given.
    signer = botocore.auth.S3SigV4Auth if service == "s3" else botocore.auth.SigV4Auth
    signer = signer(botocore.credentials.Credentials(*credentials), service, region)
    headers = {name: request.headers[name] for name in names if name in request.headers}
    target = request.path + ("?" + request.query if request.query else "")
    said = request.headers.get("x-amz-content-sha256")
    body = b"" if said else bytes(request.body)
    aws = botocore.awsrequest.AWSRequest(request.method, "https://" + request.headers["host"] + target, headers, body)
    if said and "x-amz-content-sha256" not in headers:
        aws.headers["X-Amz-Content-SHA256"] = said
    aws.context["timestamp"] = request.headers["x-amz-date"]
    canonical = signer.canonical_request(aws)
    return signer.signature(signer.string_to_sign(aws, canonical), aws)
