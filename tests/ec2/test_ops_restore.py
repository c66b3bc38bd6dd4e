"""imgbuild ops: what is restored, by whom, and in which order."""
import re

import pytest
from ops_deployment import ALONE, TRUSTEE, book, deployment  # noqa: F401
from rehearsal import Rehearsal, blocks, chapter
from test_launch import ENVIRONMENT


@pytest.fixture
def prod(deployment):
    return deployment(ENVIRONMENT)


def subheadings(text):
    return re.findall("^### (.*)$", chapter(text, "Restore"), re.M)


def test_each_loss_has_its_procedure(prod):
    assert subheadings(book(prod)) == ["A standby is lost", "No web server is left", "The database of an earlier moment", "prod-a1 is lost"]


def test_alone_there_is_no_standby(deployment):
    text = book(deployment(ALONE))
    assert subheadings(text) == ["No web server is left", "The database of an earlier moment", "prod-a1 is lost"]
    assert "rejoin" not in chapter(text, "Restore") and "degrade" not in text


def test_a_trustee_is_told_of_the_own_machine_alone(deployment):
    text = book(deployment(TRUSTEE))
    assert re.findall("^## (.*)$", text, re.M) == ["In each terminal", "First start", "Exchange of peer packages", "Backups", "Restore", "Rotation of keys"]
    assert subheadings(text) == ["prod-a1 is lost"]
    assert set(re.findall(r"ssh (?:-n )?-F \S+ (\S+)", "\n".join(line for block in blocks(text) for line in block.splitlines()), re.M)) == {"prod-a1"}
    assert "shared/web" not in text and "`ssh -F" in text and "ssh_config prod-a1`" in text   # the example too
    assert set(re.findall(r"imgbuild:machine,Values=prod/(\S+)", text)) == {"prod-a1"}


@pytest.mark.parametrize("title, machine", [("No web server is left", "prod-s1"), ("The database of an earlier moment", "prod-s1")])
def test_the_way_in_is_closed_first_and_opened_last(prod, title, machine):
    part = blocks(chapter(book(prod), title))
    assert part[0].startswith("aws ec2 disassociate-address ") and "203.0.113.4" in part[0]
    assert part[-1].startswith("aws ec2 associate-address ") and "203.0.113.4" in part[-1] and f"Values=prod/{machine} " in part[-1]
    assert [number for number, block in enumerate(part) if "associate-address" in block] == [0, len(part) - 1]
    assert any(" peers verify " in block for block in part[-4:])


def test_a_lost_standby_is_made_anew_without_a_snapshot(prod):
    text = chapter(book(prod), "A standby is lost")
    assert "create-volume" not in text and "AMI=" not in text
    for name in ("prod-s1", "prod-s2"):
        [block] = [block for block in blocks(text) if f"imgbuild ami launch {name} " in block]
        lines = block.splitlines()
        assert lines[2].endswith(" sudo appliance status || true; } | grep '^acts as   primary'") and f" {name} sudo" not in lines[2]   # not the primary
        assert [next(number for number, line in enumerate(lines) if words in line) for words in ("terminate-instances", "wait instance-terminated", "ami launch")] == [4, 5, 6] and lines[:2] == ["(", "set -eu"]
    assert " peers exchange " in blocks(text)[-1] and " peers verify " in blocks(text)[-1]


@pytest.mark.parametrize("title", ["prod-s1 from a snapshot", "prod-s2 from a snapshot", "prod-a1 is lost"])
def test_the_root_is_told_from_the_seed(prod, title):
    text = chapter(book(prod), title)
    name = title.split()[0]
    assert "SNAP is that of `/dev/sda1`, the root" in text and "`/dev/sdf`, 1 GiB, is the seed: never take it" in text
    assert ("the root (30 GiB)" in text) == (name == "prod-s1")
    [block] = [block for block in blocks(text) if "create-volume" in block]
    assert f"Value={name}-restored-1" in block and block.splitlines()[-4].endswith("--device /dev/sda1") and "delete-volume" not in text


@pytest.fixture
def rehearsal(prod, tmp_path):
    return Rehearsal(tmp_path / "rehearsal", prod)


def test_no_machine_is_made_anew_while_no_other_is_the_primary(prod, rehearsal):
    """Who takes the wrong block would terminate the primary."""
    [block] = blocks(chapter(book(prod), "prod-s2 anew"))[:1]
    block = block.replace("./builder/imgbuild ami launch", "aws launch")
    for says in ("", "acts as   standby; primary is prod-s2, timeline 2\n"):
        (rehearsal.machine("prod-s1") / "says").write_text(says)
        assert rehearsal.attempt(block).returncode != 0
        assert rehearsal.asked() == ["prod-s1 appliance status"]
    (rehearsal.machine("prod-s1") / "says").write_text("acts as   primary; primary is prod-s1, timeline 1\n")
    asked = rehearsal.run(block)
    assert [line.split()[:3] for line in asked[2:4]] == [["aws", "ec2", "terminate-instances"], ["aws", "ec2", "wait"]] and asked[4].startswith("aws launch prod-s2 ")


def test_the_volume_of_the_snapshot_takes_the_place_of_the_root(prod, rehearsal):
    [block] = [block for block in blocks(chapter(book(prod), "prod-s1 from a snapshot")) if "create-volume" in block]
    assert rehearsal.attempt(block).returncode != 0 and rehearsal.asked() == []   # without a snapshot nothing is stopped
    asked = rehearsal.run(block, SNAP="snap-1")
    [made] = [line for line in asked if "create-volume" in line]
    assert " --snapshot-id snap-1 --availability-zone zone-1 " in made
    assert asked[-4:] == ["aws ec2 detach-volume --volume-id vol-old", "aws ec2 wait volume-available --volume-ids vol-old",
                          "aws ec2 attach-volume --volume-id vol-new --instance-id i-1 --device /dev/sda1", "aws ec2 start-instances --instance-ids i-1"]


def test_what_a_restored_primary_does_not_have_is_not_followed(prod):
    """Its timeline is that of the standby, so that `rejoin` would find nothing to turn back."""
    text = chapter(book(prod), "No web server is left")
    assert "never `rejoin` it" in text and all("rejoin" not in block for block in blocks(text))


def test_the_standbys_follow_a_restored_database_anew(prod):
    part = blocks(chapter(book(prod), "The database of an earlier moment"))
    order = [next(number for number, block in enumerate(part) if words in block) for words in ("backup --list", "appliance restore ", "appliance rejoin", "peers verify")]
    assert order == sorted(order) and "2031" not in "".join(part)


def test_an_authority_is_not_terminated(prod):
    text = chapter(book(prod), "prod-a1 is lost")
    assert "Never terminate prod-a1" in text and "Ask the other trustees first" in text
    assert all("terminate" not in block and "ami launch" not in block for block in blocks(text))
