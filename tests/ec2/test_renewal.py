"""Credentials and clocks that change while many requests are under way: those fail together, and the upload goes on."""
import json
import time

import pytest

from conftest import make_disk, same
from test_upload import the_snapshot, upload

OLD, NEW = "ASIAOLDTESTTESTTESTT", "ASIANEWTESTTESTTESTT"
KEYS = {OLD: ["old/secret", "old//token="], NEW: ["new/secret", "new//token="]}


@pytest.fixture
def program(tmp_path):
    """A credential_process that gives what is in tmp_path/1, 2, …, then the last again and again; the environment that names it."""
    (tmp_path / "give").write_text(f"""#!/bin/sh
echo asked >>{tmp_path}/asked
count=$(wc -l <{tmp_path}/asked)
while [ ! -e {tmp_path}/$count ]; do count=$((count - 1)); done
. {tmp_path}/$count
""")
    (tmp_path / "give").chmod(0o755)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {tmp_path}/give\n")
    return {"AWS_CONFIG_FILE": tmp_path / "config", "AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}


def gives(file, key, seconds=None):
    expires = {} if seconds is None else {"Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))}
    text = json.dumps({"Version": 1, "AccessKeyId": key, "SecretAccessKey": KEYS[key][0], "SessionToken": KEYS[key][1], **expires})
    file.write_text(f"echo '{text}'\n")


def times_asked(tmp_path):
    return (tmp_path / "asked").read_text().count("asked")


def test_credentials_that_end_in_an_upload_are_renewed_for_all_under_way(server, disk, program, tmp_path):
    gives(tmp_path / "1", OLD)
    gives(tmp_path / "2", NEW)
    server.set(credentials=KEYS, faults=[{"operation": "PutSnapshotBlock", "fault": "expired", "after": 20, "key": OLD}])
    [image] = upload(server, disk, **program)
    state = server.state()
    assert state["refusals"]["PutSnapshotBlock expired"] > 1  # else this shows nothing
    assert times_asked(tmp_path) == 2
    assert same(server.disk(the_snapshot(server, image["ami"])), disk)


def test_credentials_about_to_end_are_not_asked_for_with_each_block(server, disk, program, tmp_path):
    gives(tmp_path / "1", OLD, seconds=200)
    server.set(credentials=KEYS)
    upload(server, disk, **program)
    assert times_asked(tmp_path) * 10 < server.state()["counts"]["PutSnapshotBlock"]


def test_credentials_that_are_still_good_are_used_where_there_are_no_new_ones(server, disk, program, tmp_path):
    gives(tmp_path / "1", OLD, seconds=200)
    (tmp_path / "2").write_text("exit 1\n")
    server.set(credentials=KEYS)
    upload(server, disk, **program)


def test_a_clock_that_jumps_in_an_upload_is_corrected_for_all_under_way(server, tmp_path):
    disk = make_disk(tmp_path / "web-master.raw", 600)
    process = server.start("ami", "upload", disk)
    while server.state()["counts"].get("PutSnapshotBlock", 0) < 50:
        assert process.poll() is None
        time.sleep(0.01)
    server.may_be_refused("? InvalidSignatureException")  # so EBS says that the time is wrong
    server.set(clock_s=4000)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors
    assert server.state()["refusals"]["? InvalidSignatureException"] > 1
