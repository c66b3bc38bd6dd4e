"""What the reader of env.yml says about bad input: whole messages, all problems at once, never a secret."""
import pytest
from appliance import environment, roles
from appliance.errors import ApplianceError
from conftest import ENVIRONMENT, KEY, PASSWORD


def complaint(text):
    with pytest.raises(ApplianceError) as error:
        environment.parse(text, "env.yml")
    return str(error.value)


def with_change(old, new):
    assert old in ENVIRONMENT
    return ENVIRONMENT.replace(old, new, 1)


def test_a_good_file_gives_all_values():
    found = environment.parse(ENVIRONMENT)
    assert found.machine == environment.Machine("prod-s1", "web-master", "192.168.50.4", "203.0.113.4")
    assert [m.name for m in found.machines if m.external] == ["prod-a2"]
    assert found.users == (environment.User("ops", (KEY,)),)
    assert found.ops == ("192.168.50.1/32", "2001:db8::/64")


def test_node_ids_keys_and_load_balancers_are_read():
    text = with_change('private_ip: "192.168.50.5"}', f'private_ip: "192.168.50.5", node_id: 2, ssh: {{host: "{KEY}", postgres: "{KEY}"}}}}')
    found = environment.parse(text.replace('"2001:db8::/64"]}', '"2001:db8::/64"], load_balancers: ["203.0.113.8/29"]}'))
    assert found.machines[1] == environment.Machine("prod-s2", "web-slave", "192.168.50.5", node_id=2, ssh={"host": KEY, "postgres": KEY})
    assert found.load_balancers == ("203.0.113.8/29",)


def test_printing_an_environment_shows_no_setting():
    assert PASSWORD not in repr(environment.parse(ENVIRONMENT))


@pytest.mark.parametrize("old, new, message", [
    ("version: 1", "version: 2", "env.yml:1:10: version: must be 1, is '2'"),
    ("version: 1", 'version: "1"', "env.yml:1:10: version: must be a number"),
    ('deployment: "prod"', 'deploymnet: "prod"', "env.yml:1:1: environment: key 'deployment' is missing\n"
     "env.yml:2:13: environment: unknown key 'deploymnet', did you mean 'deployment'?"),
    ('timezone: "Europe/Vienna"', 'timezone: "../../etc/shadow"',
     "env.yml:4:11: timezone: must be a time zone such as Europe/Vienna or UTC, is '../../etc/shadow'"),
    ('timezone: "Europe/Vienna"', "timezone: yes", "env.yml:4:11: timezone: must be a text, put it into double quotes"),
    ('domain: "vote.example.org"', 'domain: "vote example;org"',
     "env.yml:3:9: domain: must be a domain name such as vote.example.org, is 'vote example;org'"),
    ('domain: "vote.example.org"', 'domain: "vote.example.org\\n}"',
     "env.yml:3:9: domain: must be a domain name such as vote.example.org, is 'vote.example.org\\n}'"),
    ('ops: ["192.168.50.1/32"', 'ops: ["192.168.50.1/24"',
     "env.yml:8:46: network.ops: must be a network such as 192.168.50.0/24, without host bits, is '192.168.50.1/24'"),
    ('name: "prod-s2"', 'name: "prod s2"',
     "env.yml:11:12: machines[1].name: must be a host name of lower-case letters, digits and '-', is 'prod s2'"),
    ('name: "prod-s2"', 'name: "prod-s1"', "env.yml:11:5: machines[1].name: 'prod-s1' is there twice"),
    ('private_ip: "192.168.50.5"', 'private_ip: "192.168.50.400"',
     "env.yml:11:54: machines[1].private_ip: must be an IP address such as 192.168.50.4, is '192.168.50.400'"),
    ('private_ip: "192.168.50.5"', 'private_ip: "192.168.50.4"', "env.yml:11:5: machines[1].private_ip: '192.168.50.4' is there twice"),
    ('private_ip: "192.168.50.5"', 'private_ip: "192.168.50.5", node_id: 0',
     "env.yml:11:79: machines[1].node_id: must be a number from 1 to 1000000, is '0'"),
    ('private_ip: "192.168.50.5"', 'private_ip: "192.168.50.5", node_id: 0x10',
     "env.yml:11:79: machines[1].node_id: must be a number from 1 to 1000000, is '0x10'"),
    ('private_ip: "192.168.50.5"', 'private_ip: "192.168.50.5", node_id: "2"', "env.yml:11:79: machines[1].node_id: must be a number"),
    ('private_ip: "192.168.50.5"', 'private_ip: "192.168.50.5", ssh: {Host: "x"}',
     "env.yml:11:82: machines[1].ssh.Host: must be one public ssh key in one line, is 'x'\n"
     "env.yml:11:82: machines[1].ssh: 'Host' must be 'host' or the name of a user"),
    ("director: true", 'director: "true"', "env.yml:12:80: machines[2].director: must be true or false"),
    ('machine: {name: "prod-s1"', 'machine: {name: "prod-s9"',
     "env.yml:7:10: machine: 'prod-s9' is not in 'machines' with the same role and private_ip"),
    (f'"{KEY}"', '"ssh-ed25519 AAAA\\nssh-rsa BBBB"',
     "env.yml:15:41: users[0].ssh_authorized_keys: must be one public ssh key in one line, is 'ssh-ed25519 AAAA\\nssh-rsa BBBB'"),
    ('name: "ops"', 'name: "../root"',
     "env.yml:15:12: users[0].name: must be a word of lower-case letters, digits, '_' and '-', is '../root'"),
    (f'"{PASSWORD}"', "12345678", "env.yml:16:42: settings.ballot_box_database_password: must be a text, put it into double quotes"),
    ("settings: {", "settings: {iam_database_password: x, ", "env.yml:16:93: settings: key 'iam_database_password' is there twice"),
    ('domain: "', 'domain: &a "', "env.yml:3:9: anchors and aliases are not allowed"),
    ('domain: "', 'domain: !!binary "', "env.yml:3:9: tags are not allowed, here 'tag:yaml.org,2002:binary'"),
    ("version: 1\n", "version: 1\n\tx: 1\n", "env.yml:2:1: found character '\\t' that cannot start any token"),
    ("version: 1\n", "---\nversion: 1\n---\n", "env.yml:3:1: holds more than one document"),
])
def test_bad_input_is_named_with_its_position(old, new, message):
    assert complaint(with_change(old, new)) == message


def test_all_problems_come_at_once_in_the_order_of_the_file():
    text = with_change('domain: "vote.example.org"', "domain: 7").replace('internal: "192.168.50.0/24"', 'internal: "x"')
    assert complaint(text) == ("env.yml:3:9: domain: must be a text, put it into double quotes\n"
                               "env.yml:8:21: network.internal: must be a network such as 192.168.50.0/24, without host bits, is 'x'")


def test_an_empty_file_is_named():
    assert complaint("") == "env.yml: is empty"


def test_a_list_instead_of_a_mapping_is_named():
    assert complaint("[1]").startswith("env.yml:1:1: environment: must be a mapping of 'version', ")


def test_deep_nesting_is_refused():
    assert complaint("a: " + "[" * 40 + "]" * 40) == "env.yml:1:35: is nested deeper than 32 levels"


def test_a_huge_file_is_refused():
    assert complaint("#" * (1024 * 1024 + 1)) == "env.yml: is larger than 1 MiB"


def test_a_machine_without_a_seed_says_so(host):
    host.remove("/etc/appliance/env.yml")
    with pytest.raises(ApplianceError) as error:
        environment.load(host)
    assert str(error.value) == ("/etc/appliance/env.yml: there is none: no seed was attached, "
                                "or it was not read by cloud-init")


def test_an_unknown_time_zone_is_named(host):
    host.remove("/usr/share/zoneinfo/Europe/Vienna")
    with pytest.raises(ApplianceError) as error:
        environment.load(host)
    assert str(error.value) == "/etc/appliance/env.yml: timezone: there is no time zone 'Europe/Vienna'"


@pytest.mark.parametrize("value", ["short", "new\\nline-password", "umlaut-pässword", "nul-\\0-password", "x" * 257])
def test_a_password_that_cannot_be_used_is_refused_without_showing_it(host, value):
    found = environment.parse(with_change(PASSWORD, value))
    with pytest.raises(ApplianceError) as error:
        roles.check_settings(roles.load(host, "web-master"), found, "env.yml")
    assert str(error.value) == "env.yml: settings.ballot_box_database_password: must be 8 to 256 printable ASCII characters"


def test_a_missing_setting_is_named(host):
    found = environment.parse(with_change(', iam_database_password: "iam-password-22"', ""))
    with pytest.raises(ApplianceError) as error:
        roles.check_settings(roles.load(host, "web-master"), found, "env.yml")
    assert str(error.value) == "env.yml: settings.iam_database_password: is missing, role 'web-master' needs it"


def test_a_seed_of_another_role_and_name_is_refused(host):
    found = environment.parse(ENVIRONMENT.replace('"web-master"', '"authority"'))
    with pytest.raises(ApplianceError) as error:
        roles.check_binding(roles.image(host), found, "prod-s7")
    assert error.value.problems == [
        "this seed is for role 'authority', but this image serves web-master: attach the right seed",
        "this seed is for machine 'prod-s1', but this machine is 'prod-s7': attach the right seed"]


def test_an_image_without_the_role_says_so(host):
    with pytest.raises(ApplianceError) as error:
        roles.load(host, "authority")
    assert str(error.value) == "/usr/lib/appliance/roles.d/authority.yml: there is none: this image cannot be a 'authority'"


def test_a_disk_that_was_not_built_by_us_says_so(host):
    host.remove("/usr/lib/appliance/image.json")
    with pytest.raises(ApplianceError) as error:
        roles.image(host)
    assert str(error.value) == "/usr/lib/appliance/image.json: there is none: this disk was not built by imgbuild"
