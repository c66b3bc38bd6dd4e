"""imgbuild ami launch once more: after a cut, after a machine was terminated; no seed stays where it can be read."""
import time

import pytest
from test_launch import SETTINGS, launch, prod


def no_seed_is_left(server):
    """No snapshot but the image's, and nothing to clean up."""
    state = server.state()
    of_images = {m["Ebs"]["SnapshotId"] for image in state["images"].values() for m in image["BlockDeviceMappings"]}
    return set(state["snapshots"]) == of_images and list(server.state_folder.glob("**/seed-*.journal")) == []


def cut(server, env, *arguments, **settings):
    """A launch that ends by what 'settings' say."""
    server.set(**SETTINGS, **settings)
    result = launch(server, env, *arguments)
    assert result.returncode == 6, result.stderr
    return result


@pytest.mark.parametrize("operation, after", [("DescribeInstances", 2), ("AssociateAddress", 0)])
def test_a_launch_that_was_cut_is_ended_by_the_next(server, prod, operation, after):
    cut(server, prod, "prod-s1", faults=[{"operation": operation, "fault": "denied", "after": after}])
    [instance] = server.state()["instances"]
    assert not no_seed_is_left(server)
    server.set(**SETTINGS, instance_s=2)  # its seed's snapshot is needed until then
    result = launch(server, prod, "prod-s1")
    assert (result.returncode, result.stdout) == (0, f"prod-s1 {instance}\n"), result.stderr
    assert server.state()["instances"][instance]["state"] == "running" and server.state()["instances"][instance]["address"] == "eipalloc-1"
    assert no_seed_is_left(server)


def started(server):
    """What RunInstances was asked for, by instance."""
    return {name: instance["asked"] for name, instance in server.state()["instances"].items()}


@pytest.mark.parametrize("way", ["volume", "user-data"])
def test_a_machine_that_was_terminated_is_started_again(server, prod, way):
    first = launch(server, prod, "prod-s1", "--seed", way)
    assert first.returncode == 0, first.stderr
    server.set(**SETTINGS, instance_states={first.stdout.split()[1]: "terminated"})
    second = launch(server, prod, "prod-s1", "--seed", way)
    assert second.returncode == 0, second.stderr
    assert len(started(server)) == 2 and second.stdout.split()[1] in set(started(server)) - {first.stdout.split()[1]}
    assert no_seed_is_left(server)


@pytest.mark.parametrize("way", ["volume", "user-data"])
def test_a_machine_that_ends_before_it_runs_takes_its_seed_with_it(server, prod, way):
    result = cut(server, prod, "prod-s1", "--seed", way, instance_failure="Client.InternalError: Client error on launch")
    [instance] = started(server)
    assert result.stderr.splitlines()[-1] == f"imgbuild: prod-s1: AWS says that {instance} is terminated: Client.InternalError: Client error on launch"
    assert no_seed_is_left(server)
    server.set(**SETTINGS)
    assert launch(server, prod, "prod-s1", "--seed", way).returncode == 0
    assert len(started(server)) == 2 and no_seed_is_left(server)


@pytest.mark.parametrize("way", ["volume", "user-data"])
def test_a_machine_that_was_terminated_after_a_cut_is_started_again(server, prod, way):
    """The token is in the journal, and no machine can be started with it any more."""
    cut(server, prod, "prod-s1", "--seed", way, faults=[{"operation": "DescribeInstances", "fault": "denied", "after": 2}])
    [first] = started(server)
    server.set(**SETTINGS, instance_states={first: "terminated"})
    result = launch(server, prod, "prod-s1", "--seed", way)
    assert result.returncode == 0, result.stderr
    assert server.state()["refusals"]["RunInstances IdempotentInstanceTerminated"] == 1
    assert result.stdout.split()[1] != first and len(started(server)) == 2
    assert no_seed_is_left(server)


@pytest.mark.parametrize("way", ["volume", "user-data"])
def test_a_machine_whose_start_nobody_heard_of_is_taken(server, prod, way):
    """It is news, too, when the next run asks for a larger one."""
    server.set(**SETTINGS, faults=[{"operation": "RunInstances", "fault": "cut_after", "after": 1}])
    process = server.start("ami", "launch", "--env", prod, "-o", prod.parent / "output", "--subnet", "subnet-1", "--seed", way, "prod-s1")
    while not started(server):
        time.sleep(0.02)
    process.kill()
    process.communicate()
    server.set(**SETTINGS, instance_news_s=8)
    result = launch(server, prod, "prod-s1", "--seed", way, "--type", "m6i.large")
    assert result.returncode == 0, result.stderr
    assert server.state()["refusals"]["RunInstances IdempotentParameterMismatch"] == 1
    [(instance, asked)] = started(server).items()
    assert result.stdout == f"prod-s1 {instance}\n" and asked["InstanceType"] == "t3.medium"
    assert "prod-s1 was started before, with other parameters" in result.stderr
    assert no_seed_is_left(server)


def test_a_machine_that_is_stopped_stays_so_and_has_its_address(server, prod):
    cut(server, prod, "prod-s1", faults=[{"operation": "AssociateAddress", "fault": "denied"}])
    [instance] = started(server)
    server.set(**SETTINGS, instance_states={instance: "stopped"})
    result = launch(server, prod, "prod-s1")
    assert (result.returncode, result.stdout) == (0, f"prod-s1 {instance}\n"), result.stderr
    assert "prod-s1 is there already" in result.stderr and "prod-s1 is stopped" in result.stderr
    assert server.state()["instances"][instance]["address"] == "eipalloc-1"
    assert no_seed_is_left(server)


def test_an_address_that_another_machine_has_is_not_taken_away(server, prod, tmp_path):
    """After a promotion voters are at the new primary; the old one is made anew as standby."""
    old = launch(server, prod, "prod-s1").stdout.split()[1]
    server.ok("ami", "upload", tmp_path / "web-master.raw", "--name", "web-slave")
    new = launch(server, prod, "prod-s2").stdout.split()[1]
    assert server.aws("ec2", "associate-address", "--allocation-id", "eipalloc-1", "--instance-id", new).returncode == 0
    server.set(**SETTINGS, instance_states={old: "terminated"})
    result = launch(server, prod, "prod-s1")
    assert (result.returncode, result.stderr) == (3, f"imgbuild: {prod}: machine 'prod-s1' has the public address 203.0.113.4, which {new} has now\n"
                                                  "hint: take 'public_ip' of 'prod-s1' out; or, to move the address, aws ec2 disassociate-address first\n")
    assert set(server.state()["instances"]) == {old, new} and server.state()["instances"][new]["address"] == "eipalloc-1"
    assert no_seed_is_left(server)
