"""imgbuild ami launch: machines with their seeds, once each; what is secret goes again."""
import base64
import gzip
import os
import subprocess

import pytest
from conftest import REGION
from test_upload import upload

import imgbuild_program as imgbuild

ENVIRONMENT = """version: 1
deployment: prod
domain: vote.example.org
base: bootstrap
ssh_authorized_keys: ["{key}"]
network: {{internal: 192.168.50.0/24, ops: [192.168.50.1/32]}}
machines:
  - {{name: prod-s1, role: web-master, private_ip: 192.168.50.4, public_ip: 203.0.113.4, disk: 30 GiB, memory: 4 GiB}}
  - {{name: prod-s2, role: web-slave, private_ip: 192.168.50.5}}
  - {{name: prod-a2, role: authority, external: true, private_ip: 192.168.50.7}}
  - {{name: prod-a1, role: authority, director: true, private_ip: 192.168.50.6}}
"""
SETTINGS = {"subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "192.168.50.0/24"}],
            "groups": [{"GroupId": f"sg-{name}", "GroupName": f"prod-prod-{name}", "VpcId": "vpc-1"} for name in ("s1", "s2", "a1")],
            "addresses": [{"PublicIp": "203.0.113.4", "AllocationId": "eipalloc-1"}]}


@pytest.fixture
def prod(server, disk, tmp_path):
    """A deployment with seeds, and an image of its web role in EC2."""
    _, key = imgbuild.make_ssh_key(tmp_path)
    env = tmp_path / "prod.yml"
    env.write_text(ENVIRONMENT.format(key=key))
    server.ok("seed", "--env", env, "-o", tmp_path / "output")
    server.set(**SETTINGS)
    upload(server, disk)
    return env


def launch(server, env, *arguments):
    return server.imgbuild("ami", "launch", "--env", env, "-o", env.parent / "output", "--subnet", "subnet-1", *arguments)


def test_a_machine_starts_with_its_seed_volume(server, prod, tmp_path):
    result = launch(server, prod, "prod-s1")
    assert result.returncode == 0, result.stderr
    name, instance = result.stdout.split()
    state = server.state()
    asked = state["instances"][instance]["asked"]
    assert name == "prod-s1"
    [network] = asked["NetworkInterfaces"]
    assert network == {"DeviceIndex": 0, "SubnetId": "subnet-1", "PrivateIpAddress": "192.168.50.4", "Groups": ["sg-s1"]}
    assert (asked["InstanceType"], asked["MetadataOptions"]["HttpTokens"]) == ("t3.medium", "required")
    root, seed = asked["BlockDeviceMappings"]
    assert root["Ebs"]["VolumeSize"] == 30 and seed["DeviceName"] == "/dev/sdf"
    assert state["instances"][instance]["tags"] == {"Name": "prod-s1", "imgbuild:machine": "prod/prod-s1", "imgbuild:role": "web-master", "backup-normal": "true"}
    [volumes] = [spec["Tags"] for spec in asked["TagSpecifications"] if spec["ResourceType"] == "volume"]
    assert "backup-normal" not in {tag["Key"] for tag in volumes}  # the machine is backed up whole, once
    assert state["instances"][instance]["address"] == "eipalloc-1"
    # The seed was on an encrypted snapshot, which has gone, and it is in no image.
    assert seed["Ebs"]["SnapshotId"] not in state["snapshots"] and "UserData" not in asked
    started = [call[1] for call in state["calls"] if call[0] == "StartSnapshot"][-1]
    assert started["Encrypted"] is True and started["VolumeSize"] == 1
    assert list(server.state_folder.glob("**/seed-*.journal")) == []


def test_the_seed_volume_is_the_seed(server, prod, tmp_path):
    server.set(**SETTINGS, keep_deleted=True)
    assert launch(server, prod, "prod-s2").returncode == 1 + 2  # there is no image of its role
    server.ok("ami", "upload", tmp_path / "web-master.raw", "--name", "web-slave")
    assert launch(server, prod, "prod-s2").returncode == 0
    [instance] = server.state()["instances"].values()
    got = server.disk(instance["asked"]["BlockDeviceMappings"][1]["Ebs"]["SnapshotId"])
    seed = (tmp_path / "output/prod/prod-s2.seed.iso").read_bytes()
    assert got.read_bytes()[:len(seed)] == seed
    assert subprocess.run(["blkid", "-p", "-o", "value", "-s", "LABEL", got], capture_output=True, text=True).stdout == "cidata\n"


def test_a_machine_is_started_once(server, prod):
    first, second = launch(server, prod, "prod-s1"), launch(server, prod, "prod-s1")
    assert first.stdout == second.stdout and "prod-s1 is there already" in second.stderr
    asked = [call[1].get("DryRun", False) for call in server.state()["calls"] if call[0] == "RunInstances"]
    assert asked == [True, False]


def test_a_machine_may_be_news(server, prod):
    server.set(**SETTINGS, instance_news_s=2)
    result = launch(server, prod, "prod-s1")
    assert result.returncode == 0, result.stderr
    [instance] = server.state()["instances"].values()
    assert instance["state"] == "running" and instance["address"] == "eipalloc-1"


def test_user_data_is_the_seed_packed(server, prod, tmp_path):
    result = launch(server, prod, "prod-s1", "--seed", "user-data")
    assert result.returncode == 0, result.stderr
    [instance] = server.state()["instances"].values()
    text = gzip.decompress(base64.b64decode(instance["asked"]["UserData"]))
    iso = tmp_path / "output/prod/prod-s1.seed.iso"
    assert text == subprocess.run(["isoinfo", "-R", "-x", "/user-data", "-i", iso], capture_output=True, check=True).stdout
    assert len(instance["asked"]["BlockDeviceMappings"]) == 1


def test_user_data_above_16_kib_is_refused(server, prod, tmp_path):
    text = prod.read_text()
    body = b"\0\0\0\x0bssh-ed25519\0\0\0 "
    keys = ", ".join(f'"ssh-ed25519 {base64.b64encode(body + os.urandom(32)).decode()} {number}"' for number in range(400))
    prod.write_text(text.replace('ssh_authorized_keys: ["', f'ssh_authorized_keys: [{keys}, "'))
    server.ok("seed", "--env", prod, "-o", tmp_path / "output")
    result = launch(server, prod, "prod-s1", "--seed", "user-data")
    lines = result.stderr.splitlines()
    assert result.returncode == 3 and lines[-1] == "hint: --seed volume has no limit"
    assert lines[-2].startswith(f"imgbuild: {tmp_path}/output/prod/prod-s1.seed.iso: user-data is ")
    assert " bytes packed, and EC2 takes 16384; largest: /" in lines[-2]
    assert server.state()["instances"] == {}


def test_a_dry_run_prints_the_calls_and_makes_nothing(server, prod):
    before = server.state()
    result = launch(server, prod, "prod-s1", "--dry-run")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "StartSnapshot, PutSnapshotBlock, CompleteSnapshot: seed of prod-s1, encrypted, 1 GiB"
    assert lines[1] == "RunInstances: prod-s1" and "  NetworkInterface.1.PrivateIpAddress=192.168.50.4" in lines
    assert lines[-2:] == ["AssociateAddress: 203.0.113.4 with prod-s1", "DeleteSnapshot: seed of prod-s1"]
    after = server.state()
    assert (after["snapshots"], after["instances"]) == (before["snapshots"], before["instances"])


def test_user_data_is_not_shown_in_a_dry_run(server, prod):
    assert "  UserData=***" in launch(server, prod, "prod-s1", "--dry-run", "--seed", "user-data").stdout.splitlines()


@pytest.mark.parametrize("change, machine, said", [
    ({}, "prod-a2", "{env}: machine 'prod-a2' is external: somebody else builds and starts it\n"),
    ({}, "prod-s3", "{env}: there is no machine 'prod-s3', did you mean 'prod-s1'?\n"),
    ({}, "prod-a1", f"{REGION}: there is no image of role 'authority'\nhint: imgbuild ami upload authority --env {{env}} --region {REGION}\n"),
    ({"groups": []}, "prod-s1", f"{REGION}: there is no security group 'prod-prod-s1' in vpc-1\n"
     "hint: imgbuild ops writes the groups for Terraform and CloudFormation; or name one with --security-group\n"),
    ({"subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/24"}]}, "prod-s1",
     "{env}: machine 'prod-s1' has the address 192.168.50.4, which is not in subnet subnet-1 (10.0.0.0/24)\n"),
    ({"subnets": []}, "prod-s1", f"subnet-1: there is no such subnet in {REGION}\n"),
    ({"addresses": []}, "prod-s1", f"{{env}}: machine 'prod-s1' has the public address 203.0.113.4, which is no Elastic IP of this account in {REGION}\n"
     "hint: aws ec2 describe-addresses shows them\n"),
], ids=["external", "unknown", "no image", "no group", "other subnet", "no subnet", "no Elastic IP"])
def test_what_can_not_start_is_said_before_anything_is_made(server, prod, change, machine, said):
    server.set(**{**SETTINGS, **change})
    result = launch(server, prod, machine)
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr == "imgbuild: " + said.format(env=prod)
    state = server.state()
    assert state["counts"]["StartSnapshot"] == 1 and state["instances"] == {}  # that of the image


def test_without_permission_nothing_is_made(server, prod):
    server.set(**SETTINGS, faults=[{"operation": "RunInstances", "fault": "denied"}])
    before = server.state()
    result = launch(server, prod, "prod-s1")
    assert (result.returncode, result.stdout) == (6, "")
    assert result.stderr.splitlines()[-2:] == [f"imgbuild: {REGION}: these credentials may not do ec2:RunInstances for 'prod-s1'",
                                               "hint: imgbuild ami policy --launch prints what they must be allowed to do"]
    after = server.state()
    assert after["snapshots"] == before["snapshots"] and after["counts"]["StartSnapshot"] == 1 and after["counts"]["RunInstances"] == 1


def test_the_first_of_several_stays_when_the_second_fails(server, prod, tmp_path):
    for role in ("web-slave", "authority"):
        server.ok("ami", "upload", tmp_path / "web-master.raw", "--name", role)
    server.set(**SETTINGS, faults=[{"operation": "RunInstances", "fault": "denied", "after": 4}])  # asked dry for three, and the first started
    failed = launch(server, prod)
    [first] = server.state()["instances"]
    assert (failed.returncode, failed.stdout) == (6, f"prod-s1 {first}\n")
    assert len(server.state()["snapshots"]) == 3  # those of the images: a seed that no machine needs does not stay
    server.set(**SETTINGS)
    again = launch(server, prod)
    assert again.returncode == 0, again.stderr
    state = server.state()
    machines = {name: instance["tags"]["Name"] for name, instance in state["instances"].items()}
    assert again.stdout == "".join(f"{machine} {name}\n" for name, machine in machines.items())
    assert list(machines.items())[0] == (first, "prod-s1") and list(machines.values())[1:] == ["prod-s2", "prod-a1"]
    assert len(state["snapshots"]) == 3


def test_a_seed_that_is_not_there_is_named(server, prod, tmp_path):
    (tmp_path / "output/prod/prod-s1.seed.iso").unlink()
    result = launch(server, prod, "prod-s1")
    assert result.stderr == (f"imgbuild: {tmp_path}/output/prod/prod-s1.seed.iso: there is no seed of 'prod-s1' yet\nhint: imgbuild seed --env {prod}\n")
