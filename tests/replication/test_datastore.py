"""Files of ballots come to the standby, over ssh with pinned keys, and nothing goes the other way."""
FOLDER = "/home/ballotbox/datastore"


def put(node, name, text):
    node.run("runuser", "-u", "ballotbox", "--", "sh", "-c", 'mkdir -p "$(dirname "$1")"; cat >"$1"', "sh", f"{FOLDER}/{name}", input=text)


def test_pull_brings_new_files_and_deletes_none(pair):
    put(pair.primary, "public/1/ballots.csv", "one,two\n")
    put(pair.standby, "kept.txt", "mine")
    assert pair.standby.appliance("pull").stdout == f"pulled the datastore from {pair.primary.name}\n"
    assert pair.standby.read(f"{FOLDER}/public/1/ballots.csv") == "one,two\n"
    assert pair.standby.read(f"{FOLDER}/kept.txt") == "mine"
    pulled = pair.standby.status()["datastore"]
    assert (pulled["from"], pulled["problem"], pulled["at"]) == (pair.primary.name, "", pulled["tried"])


def test_the_primary_has_nothing_to_pull(pair):
    assert pair.primary.appliance("pull").stdout == f"{pair.primary.name} is the primary: there is nothing to pull\n"


def test_a_pull_that_fails_says_so_and_keeps_the_last_success(pair):
    before = pair.standby.status()["datastore"]["at"]
    pair.primary.run("pkill", "-o", "-x", "sshd")
    try:
        failed = pair.standby.appliance("pull", check=False)
    finally:
        pair.primary.run("/usr/sbin/sshd")
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"appliance: datastore cannot be pulled from {pair.primary.name}: ssh: connect to host")
    pulled = pair.standby.status()["datastore"]
    assert pulled["at"] == before and pulled["problem"].startswith(f"{pair.primary.name}: ssh: connect to host")


def test_another_host_key_is_refused(pair):
    known = pair.standby.read("/etc/ssh/ssh_known_hosts")
    own = pair.standby.run("ssh-keygen", "-y", "-f", "/etc/ssh/ssh_host_ed25519_key").stdout
    pair.standby.write("/etc/ssh/ssh_known_hosts", f"{pair.primary.name} {own}")
    try:
        assert "Host key verification failed" in pair.standby.appliance("pull", check=False).stderr
    finally:
        pair.standby.write("/etc/ssh/ssh_known_hosts", known)


def test_the_key_of_the_datastore_reads_and_does_nothing_else(pair):
    way = "ssh -o BatchMode=yes -i /home/ballotbox/.ssh/id_ed25519"
    inside = ["runuser", "-u", "ballotbox", "--"]
    target = f"ballotbox@{pair.primary.name}"
    pushed = pair.standby.run(*inside, "rsync", "-e", way, "/etc/hostname", f"{target}::datastore/", check=False)
    said = pushed.stderr + pushed.stdout  # nothing where the connection ends before the server's last words are read
    assert pushed.returncode != 0 and (not said or "module is read only" in said)
    assert pair.primary.run("find", FOLDER, "-name", "hostname").stdout == ""
    shell = pair.standby.run(*inside, *way.split(), target, "id", check=False)
    assert "uid=" not in shell.stdout
    outside = pair.standby.run(*inside, "rsync", "-e", way, f"{target}:/etc/passwd", "/tmp/", check=False)
    assert outside.returncode != 0
