"""AWS's own client as witness: it gets along with the server, in whose images imgbuild sees what it made and nothing else."""
import hashlib
import json

from conftest import BLOCK
from test_server import checksum, put


def complete(server, snapshot, block):
    """'block' is the only one."""
    linear = checksum(hashlib.sha256(block.read_bytes()).digest())
    return server.aws("ebs", "complete-snapshot", "--snapshot-id", snapshot, "--changed-blocks-count", "1", "--checksum", linear,
                      "--checksum-algorithm", "SHA256", "--checksum-aggregation-method", "LINEAR")


def test_awscli_uploads_a_snapshot_and_reads_it_back(server, tmp_path):
    block = tmp_path / "block"
    block.write_bytes(b"appliance" + bytes(BLOCK - 9))
    snapshot = json.loads(server.aws("ebs", "start-snapshot", "--volume-size", "1", "--encrypted", "--tags", "Key=Name,Value=x").stdout)["SnapshotId"]
    assert put(server, snapshot, 3, block).returncode == 0
    assert complete(server, snapshot, block).returncode == 0
    token = json.loads(server.aws("ebs", "list-snapshot-blocks", "--snapshot-id", snapshot).stdout)["Blocks"][0]
    assert token["BlockIndex"] == 3
    got = server.aws("ebs", "get-snapshot-block", "--snapshot-id", snapshot, "--block-index", "3", "--block-token", token["BlockToken"], tmp_path / "got")
    assert got.returncode == 0 and (tmp_path / "got").read_bytes() == block.read_bytes()


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
