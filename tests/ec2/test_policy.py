"""`ami policy` allows every request that the commands make, on the resources they make it for, and no more than AWS needs."""
import fnmatch
import json

import pytest

from conftest import REGION
from test_launch import launch, prod  # noqa: F401 (a fixture)
from test_upload import upload

ACCOUNT = "111122223333"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012"
THERE = KEY.replace(REGION, "us-east-1")
OF_EBS = {"StartSnapshot", "PutSnapshotBlock", "CompleteSnapshot"}
PUTTING = {"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"}
OF_S3 = PUTTING | {"AbortMultipartUpload", "DeleteObject", "HeadObject", "GetBucketLocation", "HeadBucket", "GetObject", "ListMultipartUploads"}
READING = {"HeadObject": "GetObject", "HeadBucket": "ListBucket", "ListMultipartUploads": "ListBucketMultipartUploads"}
KINDS = {"snap": "snapshot", "ami": "image", "i": "instance", "vol": "volume", "import-snap": "import-snapshot-task"}
# Asked for by AWS on our behalf, or in cases that these runs have not.
BY_AWS = {"s3:GetObject", "s3:DeleteObjectVersion", "s3:GetBucketLocation", "ec2:CancelImportTask"}


def arn(kind, name="*"):
    return f"arn:aws:ec2:{REGION}:{'' if kind in ('snapshot', 'image') else ACCOUNT}:{kind}/{name}"


def tagged(parameters):
    """The resources that a request gives tags to."""
    for specification in parameters.get("TagSpecifications", []):
        yield arn(specification["ResourceType"])
    for resource in parameters.get("Resources", []):
        yield arn(KINDS[resource.rpartition("-")[0]], resource)


def needs(operation, parameters):
    """The (action, resource) pairs that AWS wants to be allowed for a request."""
    if operation in OF_EBS:
        yield f"ebs:{operation}", arn("snapshot", parameters.get("SnapshotId", "*"))
        if parameters.get("Tags"):
            yield "ec2:CreateTags", arn("snapshot")
    elif operation in OF_S3:
        key = f"/{parameters['Key']}" if "Key" in parameters else ""
        yield "s3:" + ("PutObject" if operation in PUTTING else READING.get(operation, operation)), f"arn:aws:s3:::{parameters['Bucket']}{key}"
    elif operation != "CreateTags":
        yield f"ec2:{operation}", arn("some-kind")
    for resource in tagged(parameters):
        yield "ec2:CreateTags", resource
    key = parameters.get("KmsKeyId") or parameters.get("KmsKeyArn")
    if key:
        for action in ("CreateGrant", "Decrypt", "DescribeKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom"):
            yield f"kms:{action}", key


def listed(value):
    return value if isinstance(value, list) else [value]


def statement_for(policy, action, resource, by_service="true"):
    """The statement that allows it, or None."""
    for statement in policy["Statement"]:
        assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"} and statement["Effect"] == "Allow"
        condition = statement.get("Condition", {"Bool": {"kms:GrantIsForAWSResource": by_service}})
        if (condition == {"Bool": {"kms:GrantIsForAWSResource": by_service}}
                and any(fnmatch.fnmatchcase(action, pattern) for pattern in listed(statement["Action"]))
                and any(fnmatch.fnmatchcase(resource, pattern) for pattern in listed(statement["Resource"]))):
            return statement
    return None


def needed(server):
    """What all requests so far needed. Blocks are not on the server's record."""
    calls = server.state()["calls"] + [["PutSnapshotBlock", {"SnapshotId": "snap-1"}]]
    return {pair for operation, parameters in calls for pair in needs(operation, parameters)}


def policy(server, *options, **changes):
    return json.loads(server.ok("ami", "policy", *options, **changes).stdout)


def denied(policy, pairs):
    return sorted(pair for pair in pairs if not statement_for(policy, *pair))


def unused(policy, pairs):
    """Actions of a policy that none of the pairs is of."""
    actions = {action for statement in policy["Statement"] for action in listed(statement["Action"])}
    return {action for action in actions if not any(fnmatch.fnmatchcase(name, action) for name, _ in pairs)}


def change(disk, block):
    """Makes another image of it."""
    with open(disk, "r+b") as file:
        file.seek(block * 524288)
        file.write(b"other")


def test_an_upload_by_blocks_a_copy_a_share_and_a_deletion(server, disk):
    [image] = upload(server, disk, "--kms-key", KEY, "--copy-to", f"us-east-1={THERE}", "--share-with", "444455556666")[:1]
    server.ok("ami", "delete", image["ami"])
    server.ok("ami", "list")
    server.ok("ami", "gc")
    printed = policy(server, "--kms-key", KEY, "--kms-key", THERE)
    assert denied(printed, needed(server)) == []
    assert unused(printed, needed(server)) == set()
    assert statement_for(printed, "kms:CreateGrant", KEY, by_service="false") is None
    assert {action for action, _ in denied(policy(server), needed(server))} == {  # and this can find something
        "kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom"}


def test_an_import(server, disk):
    [image] = upload(server, disk, "--method", "import", "--bucket", "images", "--kms-key", KEY)
    change(disk, 1001)
    server.set(faults=[{"operation": "UploadPart", "fault": "denied"}])
    assert server.imgbuild("ami", "upload", disk, "--method", "import", "--bucket", "images").returncode == 6
    server.set()
    server.ok("ami", "gc")
    change(disk, 1002)
    server.set(import_failure="no")
    assert server.imgbuild("ami", "upload", disk, "--method", "import", "--bucket", "images").returncode == 6
    printed = policy(server, "--kms-key", KEY, "--bucket", "images")
    assert denied(printed, needed(server)) == []
    assert {action for action in unused(printed, needed(server)) if action.startswith("s3:") or "Import" in action} <= BY_AWS
    of_others = denied(policy(server, "--kms-key", KEY, "--bucket", "others"), needed(server))
    assert {action for action, _ in of_others} >= {"s3:PutObject", "s3:DeleteObject"}


def test_a_launch(server, prod):  # noqa: F811
    before = needed(server)
    assert launch(server, prod, "prod-s1").returncode == 0
    printed = policy(server, "--launch")
    assert denied(printed, needed(server)) == []
    assert denied(policy(server), needed(server) - before) != []
    of_launch = [statement for statement in printed["Statement"] if statement["Sid"].startswith("Launch")]
    assert unused({"Statement": of_launch}, needed(server)) == set()


@pytest.mark.parametrize("options, environment, partition", [
    ([], {"AWS_REGION": None}, "aws"),
    ([], {"AWS_REGION": "us-gov-west-1"}, "aws-us-gov"),
    (["--region", "cn-north-1"], {}, "aws-cn"),
    (["--region", "eusc-de-east-1"], {}, "aws-eusc"),
])
def test_resources_have_the_name_of_the_partition(server, options, environment, partition):
    for form in (["--launch"], ["--import-role"]):
        text = server.ok("ami", "policy", "--bucket", "images", *options, *form, **environment).stdout
        assert text.count(f'"arn:{partition}:') == text.count('"arn:') > 1


def test_the_role_of_the_import_may_use_the_key(server):
    access = policy(server, "--import-role", "--bucket", "images", "--kms-key", KEY)["access"]
    wanted = {(f"kms:{action}", KEY) for action in ("CreateGrant", "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKeyWithoutPlaintext", "ReEncryptTo")}
    assert denied(access, wanted | {("s3:GetObject", "arn:aws:s3:::images/imgbuild/x"), ("s3:GetBucketLocation", "arn:aws:s3:::images")}) == []
    assert denied(policy(server, "--import-role", "--bucket", "images")["access"], wanted) == sorted(wanted)


def test_a_region_that_is_none_is_refused(server):
    result = server.imgbuild("ami", "policy", "--region", "moon")
    assert (result.returncode, result.stderr) == (2, "imgbuild: 'moon' is no AWS region\nhint: one is eu-central-1\n")
