"""Certificates of peers in a Java keystore, with the real keytool."""
import json
import os

import pytest

PASSWORD = "password-4"
KEYSTORE = "/home/ballotbox/keystore.jks"


@pytest.fixture
def web(empty):
    machine = empty.machines["prod-s1"]
    machine.check("sh", "-c", "rm -rf /home/ballotbox; mkdir -p /home/ballotbox; chown 902:902 /home/ballotbox")
    machine.check("keytool", "-genkeypair", "-alias", "client", "-keyalg", "RSA", "-dname", "CN=x", "-keystore", KEYSTORE, "-storepass", PASSWORD)
    machine.check("chown", "902:902", KEYSTORE)
    machine.check("chmod", "0640", KEYSTORE)
    return machine


def aliases(machine):
    listed = machine.check("keytool", "-list", "-keystore", KEYSTORE, "-storepass", PASSWORD)
    return sorted(line.split(",")[0] for line in listed.splitlines() if line.count(",") > 1)


def certificate(machine, alias):
    return machine.check("keytool", "-exportcert", "-rfc", "-alias", alias, "-keystore", KEYSTORE, "-storepass", PASSWORD).replace("\r", "")


def test_installing_and_removing_change_the_keystore_too(empty, web):
    package = empty.machines["prod-a1"].package()
    done = web.install(package, extra=["--keystore", KEYSTORE])
    assert (done.returncode, done.stdout, done.stderr) == (0, "prod-a1: installed\n", "")
    assert aliases(web) == ["client", "prod-a1"]
    assert certificate(web, "prod-a1") == json.loads(package)["ssl_certificate"]
    status = os.stat(web.path(KEYSTORE))
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (902, 902, 0o640)
    assert [path.name for path in web.path("/home/ballotbox").iterdir()] == ["keystore.jks"]
    assert web.eopeers("--uninstall", "prod-a1", "--keystore", KEYSTORE).returncode == 0
    assert aliases(web) == ["client"]


def test_a_keystore_that_fell_behind_is_completed(empty, web):
    """As after a run that was cut off between the list and the keystore."""
    package = empty.machines["prod-a1"].package()
    web.install(package)
    done = web.install(package, extra=["--keystore", KEYSTORE])
    assert (done.returncode, done.stdout) == (0, "prod-a1: nothing changed\n")
    assert aliases(web) == ["client", "prod-a1"]
    web.eopeers("--remove", "prod-a1")
    done = web.eopeers("--remove", "prod-a1", "--keystore", KEYSTORE)
    assert (done.returncode, done.stdout) == (0, "prod-a1: removed\n")
    assert aliases(web) == ["client"]


def test_a_keystore_with_another_password_changes_nothing(empty, web):
    web.check("keytool", "-storepasswd", "-keystore", KEYSTORE, "-storepass", PASSWORD, "-new", "another-one")
    before = web.path(KEYSTORE).read_bytes()
    done = web.install(empty.machines["prod-a1"].package(), extra=["--keystore", KEYSTORE])
    assert done.returncode == 1 and done.stderr.startswith(f"eopeers: {KEYSTORE}: keytool -list ") and "password was incorrect" in done.stderr
    assert PASSWORD not in done.stderr
    assert web.path(KEYSTORE).read_bytes() == before and web.eopeers("--list").stdout == ""


def test_without_keytool_nothing_changes(empty, web):
    done = web.run("env", "PATH=/usr/sbin:/sbin:/nowhere", "/usr/bin/eopeers", "--remove", "prod-a1", "--keystore", KEYSTORE)
    assert (done.returncode, done.stderr) == (1, f"eopeers: {KEYSTORE}: there is no keytool in this image: the payload must bring Java, "
                                                 "or leave out --keystore\n")


def test_an_authority_has_no_password_for_a_keystore(empty):
    done = empty.machines["prod-a1"].eopeers("--remove", "prod-s1", "--keystore", "/root/keystore")
    assert (done.returncode, done.stderr) == (1, "eopeers: /root/keystore: the environment has no settings.keystore_password, so it cannot be opened\n")
