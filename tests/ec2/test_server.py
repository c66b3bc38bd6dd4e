"""The server is honest: what AWS would refuse it refuses, and its own defects can't pass for answers of AWS."""
import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import BLOCK, HERE, Server


def checksum(data):
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def put(server, snapshot, index, file, **changes):
    data = file.read_bytes()
    words = {"--snapshot-id": snapshot, "--block-index": index, "--block-data": file, "--data-length": len(data), "--checksum": checksum(data),
             "--checksum-algorithm": "SHA256", **changes}
    return server.aws("ebs", "put-snapshot-block", *[word for pair in words.items() for word in pair])


def test_what_aws_would_refuse_is_refused(server, tmp_path):
    server.may_be_refused("PutSnapshotBlock ValidationException", "CompleteSnapshot ValidationException")
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
    server.may_be_refused("? SignatureDoesNotMatch")
    result = server.aws("ec2", "describe-images", AWS_SECRET_ACCESS_KEY="wrong")
    assert "SignatureDoesNotMatch" in result.stderr
    assert server.aws("ec2", "describe-images").returncode == 0


def test_a_defect_of_the_server_is_an_answer_and_fails_the_test(tmp_path):
    server = Server(tmp_path, faults=[{"operation": "DescribeImages", "fault": "crash"}])
    try:
        assert "An error occurred (500) when calling the DescribeImages operation" in server.aws("ec2", "describe-images").stderr
        assert server.aws("ec2", "describe-snapshots").returncode == 0  # it goes on
        with pytest.raises(AssertionError, match="Traceback"):
            server.require_honesty()
    finally:
        server.stop()


def test_a_refused_request_fails_the_test_that_did_not_say_so(server):
    assert "InvalidParameterValue" in server.aws("ec2", "describe-images", "--filters", "Name=colour,Values=red").stderr
    with pytest.raises(AssertionError, match="DescribeImages InvalidParameterValue"):
        server.require_honesty()
    server.may_be_refused("DescribeImages InvalidParameterValue")


def test_a_reason_that_ebs_does_not_have_is_a_defect(tmp_path):
    server = Server(tmp_path, completed_twice="INVALID_SNAPSHOT_STATE")
    try:
        snapshot = json.loads(server.aws("ebs", "start-snapshot", "--volume-size", "1").stdout)["SnapshotId"]
        complete = ["ebs", "complete-snapshot", "--snapshot-id", snapshot, "--changed-blocks-count", "0", "--checksum", checksum(b""),
                    "--checksum-algorithm", "SHA256", "--checksum-aggregation-method", "LINEAR"]
        assert server.aws(*complete).returncode == 0
        assert server.aws(*complete).returncode != 0
        with pytest.raises(AssertionError, match="EBS has no reason INVALID_SNAPSHOT_STATE"):
            server.require_honesty()
    finally:
        server.stop()


def test_the_server_ends_with_whoever_started_it(tmp_path):
    script = f"""import os, pathlib, sys
sys.path.insert(0, {str(HERE)!r})
import conftest
print(conftest.Server(pathlib.Path({str(tmp_path)!r})).process.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert result.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 30
    while os.path.exists(f"/proc/{int(result.stdout)}/cwd") and time.monotonic() < deadline:  # a zombie has none
        time.sleep(0.02)
    assert not os.path.exists(f"/proc/{int(result.stdout)}/cwd")
