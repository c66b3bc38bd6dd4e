"""imgbuild ami launch once more: after a cut, after a machine was terminated; no seed stays where it can be read."""
import pytest
from test_launch import SETTINGS, launch, prod


def no_seed_is_left(server):
    """No snapshot but the image's, and nothing to clean up."""
    state = server.state()
    of_images = {m["Ebs"]["SnapshotId"] for image in state["images"].values() for m in image["BlockDeviceMappings"]}
    return set(state["snapshots"]) == of_images and list(server.state_folder.glob("**/seed-*.journal")) == []


def cut(server, env, *arguments, **settings):
    """A launch that ends by what 'settings' say. The settings are then those of before."""
    server.set(**{**SETTINGS, **settings})
    result = launch(server, env, *arguments)
    assert result.returncode == 6, result.stderr
    server.set(**SETTINGS)
    return result


@pytest.mark.parametrize("operation, after", [("DescribeInstances", 1), ("AssociateAddress", 0)])
def test_a_launch_that_was_cut_is_ended_by_the_next(server, prod, operation, after):
    server.set(**SETTINGS)
    cut(server, prod, "prod-s1", faults=[{"operation": operation, "fault": "denied", "after": after}])
    [instance] = server.state()["instances"]
    assert not no_seed_is_left(server)
    server.set(**SETTINGS, instance_s=2)  # its seed's snapshot is needed until then
    result = launch(server, prod, "prod-s1")
    assert (result.returncode, result.stdout) == (0, f"prod-s1 {instance}\n"), result.stderr
    assert server.state()["instances"][instance]["state"] == "running" and server.state()["instances"][instance]["address"] == "eipalloc-1"
    assert no_seed_is_left(server)
