"""The machine's own key and certificate, made with the real openssl where the seed brought none."""
import datetime
import shutil
import stat
import subprocess

import pytest
from appliance import apply, certificate, x509
from appliance.errors import ApplianceError
from appliance.host import Host

FOLDER = certificate.FOLDER


@pytest.fixture
def machine(host):
    shutil.rmtree(host.path(FOLDER))
    return Host(host.root)


def ensure(host):
    return certificate.ensure(host, apply.load(host)[0])


def test_a_machine_without_a_pair_makes_one_that_peers_take(machine):
    assert ensure(machine) == ["made key and certificate of this machine"]
    found = x509.read(machine.read(f"{FOLDER}/cert.pem"))
    x509.verify(machine, found)
    now = datetime.datetime.now().timestamp()
    assert found.dns_names == ("prod-s1", "vote.example.org")
    assert abs(now - 86400 - found.not_before) < 60 and abs(now + 3650 * 86400 - found.not_after) < 60
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in machine.path(FOLDER).iterdir()}
    assert modes == {"key-nopass.pem": 0o600, "cert.pem": 0o644}
    assert [path.name for path in machine.path("/srv/certs").iterdir()] == ["selfsigned"]


def test_the_key_belongs_to_the_certificate(machine):
    ensure(machine)
    public = [subprocess.run(["openssl", *words], cwd=machine.path(FOLDER), check=True, capture_output=True).stdout
              for words in (["pkey", "-in", "key-nopass.pem", "-pubout"], ["x509", "-in", "cert.pem", "-noout", "-pubkey"])]
    assert public[0] == public[1]


def test_a_second_run_changes_nothing(machine):
    ensure(machine)
    before = machine.read(f"{FOLDER}/key-nopass.pem")
    assert ensure(machine) == [] and machine.read(f"{FOLDER}/key-nopass.pem") == before


def refused(machine):
    with pytest.raises(ApplianceError) as error:
        ensure(machine)
    return str(error.value)


@pytest.mark.parametrize("lost", ["key-nopass.pem", "cert.pem"])
def test_half_a_pair_is_never_made_whole(machine, lost):
    ensure(machine)
    machine.remove(f"{FOLDER}/{lost}")
    assert refused(machine) == f"{FOLDER}/{lost}: there is none: the seed should have brought it"


def test_a_lost_pair_is_never_replaced(machine):
    ensure(machine)
    shutil.rmtree(machine.path(FOLDER))
    machine.write("/etc/cloud/cloud-init.disabled", "")
    assert refused(machine) == f"{FOLDER}: key and certificate are gone: bring them back, for peers know no others"


def test_a_folder_with_other_things_in_it_had_a_pair(machine):
    machine.write(f"{FOLDER}/calist", "")
    assert refused(machine) == f"{FOLDER}: key and certificate are gone: bring them back, for peers know no others"


def test_what_a_power_cut_left_is_made_anew(machine):
    machine.write(f"{FOLDER}.new/key-nopass.pem", "half")
    assert ensure(machine) == ["made key and certificate of this machine"]
    assert not machine.exists(f"{FOLDER}.new")
