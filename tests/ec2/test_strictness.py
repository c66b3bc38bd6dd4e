"""Requests that botocore's client would let out and AWS refuses: the server refuses them too, each for the right reason."""
import json
import urllib.error
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import botocore.session
import pytest
from conftest import REGION, Server
from test_server import checksum

KEYS = ("AKIATESTTESTTESTTEST", "secret/of+the/tests")
KEY_ARN = "arn:aws:kms:eu-central-1:111122223333:key/12345678-1234-1234-1234-123456789012"
MAPPING = [{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": "snap-00000000000000000"}}]


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """One server for all: each refusal is meant."""
    made = Server(tmp_path_factory.mktemp("strict"))
    try:
        yield made
        assert "Traceback" not in (made.folder / "server.log").read_text()
    finally:
        made.stop()


@pytest.fixture(scope="module")
def ask(strict):
    """Calls an operation as botocore does, unchecked, and gives AWS's refusal: (code, reason or None, message)."""
    session, clients = botocore.session.get_session(), {}
    config = botocore.config.Config(parameter_validation=False, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})

    def call(service, operation, parameters):
        if service not in clients:
            clients[service] = session.create_client(service, region_name=REGION, endpoint_url=strict.url, aws_access_key_id=KEYS[0],
                                                     aws_secret_access_key=KEYS[1], config=config)
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            clients[service]._make_api_call(operation, parameters)
        answer = refused.value.response
        return answer["Error"]["Code"], answer.get("Reason"), answer["Error"]["Message"]

    return call


def tags(count):
    return [{"Key": f"k{number}", "Value": "v"} for number in range(count)]


EBS = [
    ("max", "StartSnapshot", {"VolumeSize": 1, "Timeout": 5000}, "INVALID_PARAMETER_VALUE", "StartSnapshot.Timeout: 5000 is more than 4320"),
    ("min", "StartSnapshot", {"VolumeSize": 1, "Timeout": 5}, "INVALID_PARAMETER_VALUE", "Invalid value for parameter Timeout, value: 5, valid min value: 10"),
    ("length", "StartSnapshot", {"VolumeSize": 1, "ClientToken": "t" * 256}, "INVALID_PARAMETER_VALUE", "StartSnapshot.ClientToken: 256 is more than 255"),
    ("pattern", "StartSnapshot", {"VolumeSize": 1, "ClientToken": "a b"}, "INVALID_PARAMETER_VALUE", "StartSnapshot.ClientToken: 'a b' does not match ^[\\S]+$"),
    ("no arn", "StartSnapshot", {"VolumeSize": 1, "Encrypted": True, "KmsKeyArn": "alias/mine"}, "INVALID_PARAMETER_VALUE",
     "StartSnapshot.KmsKeyArn: 'alias/mine' does not match arn:aws[a-z\\-]*:kms:.*:[0-9]{12}:key/.*"),
    ("key without encryption", "StartSnapshot", {"VolumeSize": 1, "KmsKeyArn": KEY_ARN}, "INVALID_PARAMETER_VALUE", "KmsKeyArn needs Encrypted"),
    ("51 tags", "StartSnapshot", {"VolumeSize": 1, "Tags": tags(51)}, "INVALID_TAG", "51 tags"),
    ("long key", "StartSnapshot", {"VolumeSize": 1, "Tags": [{"Key": "k" * 129, "Value": "v"}]}, "INVALID_TAG", "a tag's key has 129 characters, not 1 to 128"),
    ("long value", "StartSnapshot", {"VolumeSize": 1, "Tags": [{"Key": "k", "Value": "v" * 257}]}, "INVALID_TAG",
     "the value of tag 'k' has 257 characters, more than 256"),
    ("aws's tag", "StartSnapshot", {"VolumeSize": 1, "Tags": [{"Key": "AWS:x", "Value": "v"}]}, "INVALID_TAG",
     "tag 'AWS:x': keys that begin with aws: are AWS's own"),
    ("tag twice", "StartSnapshot", {"VolumeSize": 1, "Tags": [*tags(1), *tags(1)]}, "INVALID_TAG", "a tag is given twice"),
    ("enum", "CompleteSnapshot", {"SnapshotId": "snap-0", "ChangedBlocksCount": 1, "ChecksumAlgorithm": "MD5"}, "INVALID_PARAMETER_VALUE",
     "CompleteSnapshot.ChecksumAlgorithm: 'MD5' is none of ['SHA256']"),
    ("snapshot's id", "CompleteSnapshot", {"SnapshotId": "snap-XYZ", "ChangedBlocksCount": 1}, "INVALID_PARAMETER_VALUE",
     "CompleteSnapshot.SnapshotId: 'snap-XYZ' does not match ^snap-[0-9a-f]+$"),
]
EC2 = [
    ("enum", "RegisterImage", {"Name": "an image", "BootMode": "bios", "BlockDeviceMappings": MAPPING}, "InvalidParameterValue",
     "RegisterImage.BootMode: 'bios' is none of ['legacy-bios', 'uefi', 'uefi-preferred']"),
    ("enum in a list", "RegisterImage", {"Name": "an image", "BlockDeviceMappings": [{"Ebs": {"VolumeType": "gp9"}}]}, "InvalidParameterValue",
     "RegisterImage.BlockDeviceMappings.1.Ebs.VolumeType: 'gp9' is none of ['gp2', 'gp3', 'io1', 'io2', 'sc1', 'st1', 'standard']"),
    ("filter of images", "DescribeImages", {"Filters": [{"Name": "colour", "Values": ["red"]}]}, "InvalidParameterValue", "The filter 'colour' is invalid"),
    ("filter of snapshots", "DescribeSnapshots", {"Filters": [{"Name": "state", "Values": ["pending"]}]}, "InvalidParameterValue",
     "The filter 'state' is invalid"),
    ("filter of groups", "DescribeSecurityGroups", {"Filters": [{"Name": "name", "Values": ["x"]}]}, "InvalidParameterValue", "The filter 'name' is invalid"),
    ("filter of instances", "DescribeInstances", {"Filters": [{"Name": "state", "Values": ["x"]}]}, "InvalidParameterValue", "The filter 'state' is invalid"),
    ("filter of subnets", "DescribeSubnets", {"Filters": [{"Name": "name", "Values": ["x"]}]}, "InvalidParameterValue", "The filter 'name' is invalid"),
    ("filter where none is known", "DescribeVolumes", {"Filters": [{"Name": "tag:x", "Values": ["x"]}]}, "InvalidParameterValue", "The filter 'tag:x' is invalid"),
    ("filter without values", "DescribeImages", {"Filters": [{"Name": "name"}]}, "InvalidParameterValue", "The filter 'name' has no values, or more than 200"),
    ("51 tags", "CreateTags", {"Resources": ["ami-0"], "Tags": tags(51)}, "TagLimitExceeded", "51 tags, and at most 50 may be"),
    ("no key", "CreateTags", {"Resources": ["ami-0"], "Tags": [{"Key": "", "Value": "v"}]}, "InvalidParameterValue",
     "a tag's key has 0 characters, not 1 to 128"),
    ("aws's tag", "CreateTags", {"Resources": ["ami-0"], "Tags": [{"Key": "aws:x", "Value": "v"}]}, "InvalidParameterValue",
     "tag 'aws:x': keys that begin with aws: are AWS's own"),
    ("tags of an instance", "RunInstances", {"MinCount": 1, "MaxCount": 1, "ImageId": "ami-0", "TagSpecifications": [{"ResourceType": "instance", "Tags": [
        {"Key": "k", "Value": "v" * 257}]}]}, "InvalidParameterValue", "the value of tag 'k' has 257 characters, more than 256"),
    ("long token", "CopyImage", {"Name": "x", "SourceImageId": "ami-0", "SourceRegion": REGION, "ClientToken": "t" * 65}, "InvalidParameterValue",
     f"ClientToken: '{'t' * 65}' is not at most 64 ASCII characters"),
    ("token not ASCII", "CopyImage", {"Name": "x", "SourceImageId": "ami-0", "SourceRegion": REGION, "ClientToken": "ü"}, "InvalidParameterValue",
     "ClientToken: 'ü' is not at most 64 ASCII characters"),
    ("key without encryption", "CopyImage", {"Name": "x", "SourceImageId": "ami-0", "SourceRegion": REGION, "KmsKeyId": KEY_ARN}, "InvalidParameterDependency",
     "The parameter KmsKeyId requires the parameter Encrypted to be set."),
    ("other call", "RebootInstances", {"InstanceIds": ["i-0"]}, "InvalidAction", "RebootInstances is not of this server"),
]


@pytest.mark.parametrize("operation, parameters, reason, said", [case[1:] for case in EBS], ids=[case[0] for case in EBS])
def test_ebs_refuses(ask, operation, parameters, reason, said):
    code, why, message = ask("ebs", operation, parameters)
    assert (code, why) == ("ValidationException", reason) and said in message


@pytest.mark.parametrize("operation, parameters, code, said", [case[1:] for case in EC2], ids=[case[0] for case in EC2])
def test_ec2_refuses(ask, operation, parameters, code, said):
    assert ask("ec2", operation, parameters) == (code, None, said)


def test_s3_refuses_an_unknown_storage_class(ask):
    code, _, message = ask("s3", "CreateMultipartUpload", {"Bucket": "images", "Key": "k", "StorageClass": "WARM"})
    assert code == "InvalidArgument" and message.startswith("CreateMultipartUpload.StorageClass: 'WARM' is none of ['DEEP_ARCHIVE', ")


def test_a_client_token_is_of_one_request(ask, strict):
    started = strict.aws("ebs", "start-snapshot", "--volume-size", "1", "--client-token", "mine")
    assert started.returncode == 0, started.stderr
    assert strict.aws("ebs", "start-snapshot", "--volume-size", "1", "--client-token", "mine").stdout == started.stdout
    code, _, message = ask("ebs", "StartSnapshot", {"VolumeSize": 2, "ClientToken": "mine"})
    assert (code, message) == ("ConflictException", "The client token was used with other parameters.")


def test_a_parent_must_be_there_completed_and_no_larger(ask, strict):
    def refusal_of(parent):
        return ask("ebs", "StartSnapshot", {"VolumeSize": 1, "ParentSnapshotId": parent})[:2]
    assert refusal_of("snap-0") == ("ResourceNotFoundException", "SNAPSHOT_NOT_FOUND")
    parent = json.loads(strict.aws("ebs", "start-snapshot", "--volume-size", "2").stdout)["SnapshotId"]
    assert refusal_of(parent) == ("ValidationException", "INVALID_DEPENDENCY_REQUEST")
    completed = strict.aws("ebs", "complete-snapshot", "--snapshot-id", parent, "--changed-blocks-count", "0", "--checksum", checksum(b""),
                           "--checksum-algorithm", "SHA256", "--checksum-aggregation-method", "LINEAR")
    assert completed.returncode == 0, completed.stderr
    assert strict.aws("ec2", "wait", "snapshot-completed", "--snapshot-ids", parent).returncode == 0
    assert refusal_of(parent) == ("ValidationException", "INVALID_VOLUME_SIZE")


def refusal_of_hand_made(server, service, body, path="/", headers=()):
    """A signed request as no client of AWS makes it; gives the answer's status, error type and body."""
    request = botocore.awsrequest.AWSRequest("POST", server.url + path, dict(headers), body)
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(*KEYS), service, REGION).add_auth(request)
    sent = urllib.request.Request(server.url + path, body, dict(request.headers), method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sent, timeout=60)
    return refused.value.code, refused.value.headers["x-amzn-ErrorType"], refused.value.read().decode()


UNSIGNED = {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


def test_only_blocks_and_objects_may_be_unsigned(strict):
    status, code, body = refusal_of_hand_made(strict, "ebs", b'{"VolumeSize": 1, "ClientToken": "x"}', "/snapshots",
                                              {**UNSIGNED, "Content-Type": "application/json"})
    assert (status, code) == (403, "InvalidSignatureException") and "StartSnapshot needs a signed body" in body
    status, _, body = refusal_of_hand_made(strict, "ec2", b"Action=DescribeImages&Version=2016-11-15", headers={**UNSIGNED, **FORM})
    assert status == 403 and "<Code>SignatureDoesNotMatch</Code><Message>DescribeImages needs a signed body</Message>" in body


@pytest.mark.parametrize("service, path, headers, body, code", [
    ("ec2", "/", FORM, b"Action=DescribeImages&Version=2016-11-15&Colour=red", "UnknownParameter"),
    ("ec2", "/", FORM, b"Action=DescribeImages&Version=2016-11-15&DryRun=true&DryRun=true", "MalformedQueryString"),
    ("ec2", "/", FORM, b"Action=MakeTea&Version=2016-11-15", "InvalidAction"),
    ("ec2", "/", {"Content-Type": "text/plain"}, b"Action=DescribeImages&Version=2016-11-15", "MalformedQueryString"),
    ("ebs", "/snapshots", {"Content-Type": "application/json"}, b"{", "SerializationException"),
    ("ebs", "/images", {"Content-Type": "application/json"}, b"{}", "UnknownOperationException"),
    ("ebs", "/snapshots", {"Content-Type": "application/json", "x-amz-colour": "red"}, b'{"VolumeSize": 1, "ClientToken": "x"}', "ValidationException"),
], ids=["parameter", "repeated", "action", "content type", "torn JSON", "path", "header"])
def test_what_no_model_knows_is_refused(strict, service, path, headers, body, code):
    _, kind, text = refusal_of_hand_made(strict, service, body, path, headers)
    assert kind == code or f"<Code>{code}</Code>" in text


@pytest.mark.parametrize("clock_s, codes", [
    (3600, {"ebs": "InvalidSignatureException", "ec2": "RequestExpired", "s3": "RequestTimeTooSkewed"}),
    (-3600, {"ebs": "InvalidSignatureException", "ec2": "AuthFailure", "s3": "RequestTimeTooSkewed"})], ids=["late", "early"])
def test_each_service_has_its_words_for_a_wrong_clock(ask, strict, clock_s, codes):
    strict.set(clock_s=clock_s)
    calls = {"ebs": ("StartSnapshot", {"VolumeSize": 1}), "ec2": ("DescribeImages", {}), "s3": ("CreateMultipartUpload", {"Bucket": "images", "Key": "k"})}
    said = {service: ask(service, *call) for service, call in calls.items()}
    strict.set()
    assert {service: answer[0] for service, answer in said.items()} == codes
    assert said["ebs"][2].startswith("Signature expired: " if clock_s > 0 else "Signature not yet current: ")


@pytest.mark.parametrize("fault, codes", [
    ("denied", {"ebs": "AccessDeniedException", "ec2": "UnauthorizedOperation", "s3": "AccessDenied"}),
    ("expired", {"ebs": "ExpiredTokenException", "ec2": "RequestExpired", "s3": "ExpiredToken"})])
def test_each_service_has_its_words_for_what_is_not_allowed(ask, strict, fault, codes):
    strict.set(faults=[{"operation": "*", "fault": fault}])
    calls = {"ebs": ("StartSnapshot", {"VolumeSize": 1}), "ec2": ("DescribeImages", {}), "s3": ("CreateMultipartUpload", {"Bucket": "images", "Key": "k"})}
    said = {service: ask(service, *call)[0] for service, call in calls.items()}
    strict.set()
    assert said == codes
