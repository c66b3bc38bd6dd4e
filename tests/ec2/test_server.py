"""The server is honest: AWS's own client gets along with it, and what AWS would refuse it refuses."""
import base64
import hashlib
import json

BLOCK = 524288


def checksum(data):
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def put(server, snapshot, index, file, **changes):
    data = file.read_bytes()
    words = {"--snapshot-id": snapshot, "--block-index": index, "--block-data": file, "--data-length": len(data), "--checksum": checksum(data),
             "--checksum-algorithm": "SHA256", **changes}
    return server.aws("ebs", "put-snapshot-block", *[word for pair in words.items() for word in pair])


def test_awscli_uploads_a_snapshot_and_reads_it_back(server, tmp_path):
    block = tmp_path / "block"
    block.write_bytes(b"appliance" + bytes(BLOCK - 9))
    snapshot = json.loads(server.aws("ebs", "start-snapshot", "--volume-size", "1", "--encrypted", "--tags", "Key=Name,Value=x").stdout)["SnapshotId"]
    assert put(server, snapshot, 3, block).returncode == 0
    linear = checksum(hashlib.sha256(block.read_bytes()).digest())
    done = server.aws("ebs", "complete-snapshot", "--snapshot-id", snapshot, "--changed-blocks-count", "1", "--checksum", linear,
                      "--checksum-algorithm", "SHA256", "--checksum-aggregation-method", "LINEAR")
    assert done.returncode == 0, done.stderr
    token = json.loads(server.aws("ebs", "list-snapshot-blocks", "--snapshot-id", snapshot).stdout)["Blocks"][0]
    assert token["BlockIndex"] == 3
    got = server.aws("ebs", "get-snapshot-block", "--snapshot-id", snapshot, "--block-index", "3", "--block-token", token["BlockToken"], tmp_path / "got")
    assert got.returncode == 0 and (tmp_path / "got").read_bytes() == block.read_bytes()


def test_what_aws_would_refuse_is_refused(server, tmp_path):
    short, block = tmp_path / "short", tmp_path / "block"
    short.write_bytes(b"x" * 1000)
    block.write_bytes(b"x" * BLOCK)
    snapshot = json.loads(server.aws("ebs", "start-snapshot", "--volume-size", "1").stdout)["SnapshotId"]
    assert "INVALID_BLOCK" in put(server, snapshot, 0, short).stderr
    assert "another" in put(server, snapshot, 0, block, **{"--checksum": checksum(b"y")}).stderr
    assert "INVALID_BLOCK" in put(server, snapshot, 2048, block).stderr
    assert put(server, snapshot, 0, block).returncode == 0
    complete = ["ebs", "complete-snapshot", "--snapshot-id", snapshot, "--checksum-algorithm", "SHA256", "--checksum-aggregation-method", "LINEAR"]
    right = checksum(hashlib.sha256(block.read_bytes()).digest())
    assert "1 blocks were put, not 2" in server.aws(*complete, "--changed-blocks-count", "2", "--checksum", right).stderr
    assert "the linear checksum is another" in server.aws(*complete, "--changed-blocks-count", "1", "--checksum", checksum(b"")).stderr


def test_a_wrong_secret_is_refused(server):
    result = server.aws("ec2", "describe-images", AWS_SECRET_ACCESS_KEY="wrong")
    assert "SignatureDoesNotMatch" in result.stderr
    assert server.aws("ec2", "describe-images").returncode == 0


def test_awscli_puts_an_object_in_parts(server, tmp_path):
    part = tmp_path / "part"
    part.write_bytes(b"p" * (5 << 20))
    upload = json.loads(server.aws("s3api", "create-multipart-upload", "--bucket", "images", "--key", "a/b").stdout)["UploadId"]
    tags = [json.loads(server.aws("s3api", "upload-part", "--bucket", "images", "--key", "a/b", "--upload-id", upload, "--part-number", number,
                                  "--body", part).stdout)["ETag"] for number in (1, 2)]
    parts = json.dumps({"Parts": [{"ETag": tag, "PartNumber": number} for number, tag in enumerate(tags, 1)]})
    done = server.aws("s3api", "complete-multipart-upload", "--bucket", "images", "--key", "a/b", "--upload-id", upload, "--multipart-upload", parts)
    assert done.returncode == 0, done.stderr
    assert server.state()["objects"] == [["images", "a/b"]]
