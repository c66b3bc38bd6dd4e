"""Role descriptions: parts, rows that open or test nothing, databases without a password."""
import pytest
from appliance import checks, environment, firewall, primary, render, roles
from appliance.errors import ApplianceError
from conftest import change_environment


def described(host, text, name="sample"):
    host.write(f"/usr/lib/appliance/roles.d/{name}.yml", text)
    return roles.load(host, name)


def test_parts_come_before_what_is_the_role_s_own(host):
    host.write("/usr/lib/appliance/parts/one.yml", "settings: [first]\nunits: [{unit: one.service}]")
    host.write("/usr/lib/appliance/parts/two.yml", "units: [{unit: two.service}]")
    role = described(host, "include: [one, two]\nsettings: [second]\nunits: [{unit: own.service}]")
    assert role.settings == ("first", "second")
    assert [row["unit"] for row in role.units][-3:] == ["one.service", "two.service", "own.service"]


def test_a_missing_part_is_named(host):
    with pytest.raises(ApplianceError) as error:
        described(host, "include: [nothing]")
    assert str(error.value) == "/usr/lib/appliance/parts/nothing.yml: there is none: an overlay is missing in this image"


def test_master_and_slave_differ_in_nothing_but_their_name(host):
    master, slave = roles.load(host, "web-master"), roles.load(host, "web-slave")
    assert {**vars(master), "name": ""} == {**vars(slave), "name": ""}


def test_a_payload_s_port_is_opened_and_not_tried(host):
    role = described(host, "listen: [{port: 4081, from: [web], payload: true}]")
    assert firewall.rules(role, environment.load(host), fenced=True) == ["ip saddr { 192.168.50.5/32 } tcp dport 4081 accept"]
    assert checks.ports(role) == [22]


def test_a_loopback_port_is_tried_and_not_opened(host):
    role = described(host, "listen: [{port: 14443, from: [world], loopback: true}]")
    assert firewall.rules(role, environment.load(host), fenced=True) == []
    assert checks.ports(role) == [22, 14443]


def test_an_authority_s_database_is_its_socket_alone(host):
    host.write("/usr/lib/appliance/roles.d/authority.yml", "include: [database]\ndatabases: [{name: eorchestra}]")
    own = 'machine: {name: "prod-s1", role: "web-master", private_ip: "192.168.50.4", public_ip: "203.0.113.4"}'
    change_environment(host, own, 'machine: {name: "prod-a1", role: "authority", private_ip: "192.168.50.6", director: true}')
    made = {file.path: file.content for file in render.files(host, environment.load(host), roles.load(host, "authority"))}
    assert made["/etc/postgresql/15/main/pg_hba.conf"].splitlines()[1:] == ["local all postgres peer", "local eorchestra eorchestra peer"]
    assert "listen_addresses = 'localhost'\nssl = off\n" in made["/etc/postgresql/15/main/conf.d/appliance.conf"]


def test_the_master_is_primary_until_a_promotion(host):
    found = environment.load(host)
    assert primary.current(host, found) == primary.Claim("prod-s1", 1) and primary.is_own(host, found)


def test_a_recorded_primary_counts(host):
    found = environment.load(host)
    assert primary.record(host, primary.Claim("prod-s2", 2))
    assert primary.machine(host, found).private_ip == "192.168.50.5" and not primary.is_own(host, found)
    assert not primary.record(host, primary.Claim("prod-s2", 2))
    assert host.path(primary.PATH).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text, message", [
    ("{", "/var/lib/appliance/primary: is no JSON text"),
    ("[]", "/var/lib/appliance/primary: must hold just 'name' and 'timeline'"),
    ('{"name": "prod-s2", "timeline": true}', "/var/lib/appliance/primary: name must be a text and timeline a number from 1 on"),
    ('{"name": "prod-s2", "timeline": 0}', "/var/lib/appliance/primary: name must be a text and timeline a number from 1 on"),
    ('{"name": "evil", "timeline": 9}', "/var/lib/appliance/primary: 'evil' is no machine of this deployment")])
def test_a_bad_record_is_named(host, text, message):
    host.write(primary.PATH, text)
    with pytest.raises(ApplianceError) as error:
        primary.current(host, environment.load(host))
    assert str(error.value) == message


def test_authorities_send_the_domain_to_the_promoted_node(host):
    host.write("/usr/lib/appliance/roles.d/authority.yml", "{}")
    own = 'machine: {name: "prod-s1", role: "web-master", private_ip: "192.168.50.4", public_ip: "203.0.113.4"}'
    change_environment(host, own, 'machine: {name: "prod-a1", role: "authority", private_ip: "192.168.50.6", director: true}')
    primary.record(host, primary.Claim("prod-s2", 2))
    made = {file.path: file.content for file in render.files(host, environment.load(host), roles.load(host, "authority"))}
    assert "192.168.50.5 prod-s2 vote.example.org\n" in made["/etc/hosts"] and made["/etc/hosts"].count("vote.example.org") == 1
