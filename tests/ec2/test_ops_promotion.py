"""imgbuild ops: who takes whose place, in every direction."""
import re
import shlex

import pytest
from ops_deployment import ALONE, THIRD, book, deployment, ops  # noqa: F401
from rehearsal import APPLIANCE, blocks, chapter
from test_launch import ENVIRONMENT

import imgbuild_program as imgbuild


@pytest.fixture
def prod(deployment):
    return deployment(ENVIRONMENT)


@pytest.fixture
def three(deployment):
    return deployment(ENVIRONMENT + THIRD)


def on(*found_blocks):
    """{machine: commands} of blocks of ssh."""
    found = {}
    for line in "\n".join(found_blocks).splitlines():
        program, *options, _, name = shlex.split(line)[:5]
        words = shlex.split(line)[5:]
        assert (program, options) == ("ssh", ["-n", "-F"])
        found.setdefault(name, []).append(" ".join(words))
    return found


def test_who_is_primary_is_asked_first(three):
    assert on(blocks(chapter(book(three), "Promotion"))[0]) == {name: ["sudo appliance status"] for name in ("prod-s1", "prod-s2", "prod-s3")}


def test_every_web_server_may_take_over(three):
    text = book(three)
    assert on(*blocks(chapter(text, "The primary answers"))) == {name: ["sudo appliance promote"] for name in ("prod-s1", "prod-s2", "prod-s3")}
    assert on(blocks(chapter(text, "The old one comes back"))[0]) == {name: ["sudo appliance rejoin"] for name in ("prod-s1", "prod-s2", "prod-s3")}


@pytest.mark.parametrize("old, others", [("prod-s1", ["prod-s2", "prod-s3"]), ("prod-s2", ["prod-s1", "prod-s3"]), ("prod-s3", ["prod-s1", "prod-s2"])])
def test_a_dead_primary_is_proven_off_before_another_is_promoted(three, old, others):
    proof, *promotions = blocks(chapter(book(three), f"{old} was the primary and is dead"))
    assert f"Values=prod/{old} " in proof and "stop-instances" in proof and "State.Name" in proof.splitlines()[-2]
    assert all(len(block.splitlines()) == 1 for block in promotions)   # nobody copies two
    off = f'sudo appliance promote --old-primary-is-off "EC2 says that {old} is stopped"'
    assert on(*promotions[:2]) == {name: [off] for name in others}
    assert on(*promotions[2:]) == {name: [off + ' --accept-loss "NAME decided so"'] for name in others}


def test_the_refusals_that_are_explained_are_those_of_the_machine(prod):
    """What a person looks for on the screen is what the program says."""
    said = "".join((APPLIANCE / f"appliance/{name}.py").read_text() for name in ("promotion", "rejoin", "watch", "ssh", "status"))
    said = re.sub(r'"\s*f?"', "", said)   # one text over several lines
    text = book(prod)
    for words in ("let this standby catch up", "cannot be reached", "its commits did not wait for this node", "is a synchronous standby of", "do again once it has come back",
                  "is the primary, timeline", "commits wait for it", "is gone", "acts as   ", "ready     ", "stream    "):
        assert words in said and words in text, words


def test_afterwards_voters_peers_and_files_follow(prod):
    way, look, verify, *files = blocks(chapter(book(prod), "After every promotion"))
    assert "--public-ips 203.0.113.4 " in way and "Values=prod/prod-s2 " in way and "associate-address" in way
    assert set(on(look)) == {"prod-s1", "prod-s2"} and "selftest" in look
    assert " peers verify " in verify
    assert [line.partition(" --primary ")[2] for line in files] == ["", "prod-s2"]


def test_a_dead_standby_is_given_up_on_the_primary_only(prod):
    text = chapter(book(prod), "A standby is dead")
    assert on(blocks(text)[0]) == {name: ["sudo appliance degrade --yes"] for name in ("prod-s1", "prod-s2")}
    assert "on the primary and only there" in text and "The risk" in text


def test_what_somebody_else_keeps_is_left_to_them(deployment):
    text = book(deployment(ENVIRONMENT.replace("role: web-slave,", "role: web-slave, external: true,")))
    assert on(*blocks(chapter(text, "The primary answers"))) == {"prod-s1": ["sudo appliance promote"]}
    there = "prod-s2 is kept by somebody else: there its keeper runs "
    assert there + "`sudo appliance promote`." in chapter(text, "The primary answers")
    dead = chapter(text, "prod-s1 was the primary and is dead")
    assert there + '`sudo appliance promote --old-primary-is-off "EC2 says that prod-s1 is stopped"`.' in dead and "prod-s2 sudo" not in text
    assert there + "`sudo appliance rejoin`." in chapter(text, "The database of an earlier moment")


def test_alone_nobody_is_promoted(deployment):
    assert "Promotion" not in book(deployment(ALONE))


# --- the other files after a promotion ---

def test_the_domain_is_at_the_primary(prod):
    def at(*arguments):
        return [line.split()[1] for line in (ops(prod, *arguments) / "hosts").read_text().splitlines() if line.endswith(" vote.example.org")]
    assert at() == ["prod-s1"] and at("--primary", "prod-s2") == ["prod-s2"]


def test_the_windows_of_the_services_are_at_the_primary(prod):
    text = (ops(prod, "--primary", "prod-s2") / "tmuxinator.yml").read_text()
    assert "ssh_config prod-s2 sudo tail -F /var/log/nginx/access.log" in text and "prod-s1 sudo tail" not in text


@pytest.mark.parametrize("name, said", [("prod-a1", "--primary: 'prod-a1' has the role 'authority', must be a web server\n"),
                                        ("prod-s9", "{env}: there is no machine 'prod-s9', did you mean 'prod-s1'?\n")])
def test_the_primary_is_a_web_server(prod, name, said):
    result = imgbuild.run("ops", "--env", prod, "--primary", name)
    assert (result.returncode, result.stdout, result.stderr) == (3, "", "imgbuild: " + said.format(env=prod))
