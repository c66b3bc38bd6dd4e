"""What is said about packages that cannot be taken. tests/peers offers many more of them to a real machine."""
import json
import time

import pytest
from appliance import apply, peer_package, x509
from appliance.errors import ApplianceError
from appliance.host import Host
from peer_tools import A2, package, pem, with_real_openssl


def problems(host, text, now=None):
    environment, role = apply.load(host)
    with pytest.raises(ApplianceError) as error:
        data = text.encode() if isinstance(text, str) else text
        peer_package.check(host, environment, role, peer_package.parse(data, "FILE"), "FILE", now)
    return error.value.problems


@pytest.fixture
def machine(host, commands):
    return Host(host.root, with_real_openssl(commands))


def test_a_good_package_passes_and_other_keys_are_dropped(machine):
    environment, role = apply.load(machine)
    found = peer_package.parse(package(*A2, comment={"x": [1]}).encode(), "FILE")
    peer_package.check(machine, environment, role, found, "FILE")
    assert json.loads(found.text()) == json.loads(package(*A2))


def test_port_and_version_may_be_missing(machine):
    found = peer_package.parse(json.dumps({"ssl_certificate": pem("prod-a2"), "ip_address": "2001:db8::2", "hostname": "prod-a2"}).encode(), "FILE")
    assert (found.port, found.version, found.ip_address) == (5000, 1, "2001:db8::2")


@pytest.mark.parametrize("text, problem", [
    ("", "FILE: is no JSON text: Expecting value"), (b"\xff", "FILE: is no UTF-8 text"), ("x" * 32769, "FILE: is larger than 32 KiB"),
    ("[]", "FILE: must be one JSON object, is a list"), ("7", "FILE: must be one JSON object, is a number"),
    ('{"x": {"a": 1, "a": 2}}', "FILE: key 'a' is there twice"), ('{"x": NaN}', "FILE: is no JSON text: it has a number that is none or too long"),
    ('{"x": ' + "9" * 20 + "}", "FILE: is no JSON text: it has a number that is none or too long"),
    ("[" * 8 + "7" + "]" * 8, "FILE: must be one JSON object, is a list"), ("[" * 9 + "]" * 9, "FILE: is nested deeper than 8 levels"),
    ("[" * 9000, "FILE: is nested deeper than 8 levels")])
def test_what_is_no_object_is_named(machine, text, problem):
    assert problems(machine, text) == [problem]


def test_all_missing_keys_are_named(machine):
    assert problems(machine, "{}") == [f"FILE: key '{key}' is missing" for key in ("ssl_certificate", "ip_address", "hostname")]


@pytest.mark.parametrize("key, value, problem", [
    ("hostname", None, "must be a text, is null"), ("hostname", "x" * 100, "must be shorter than 100 characters, has 100"),
    ("hostname", "pr\u043ed-a2", "must be a host name of lower-case letters, digits and '-', is 'pr\\u043ed-a2'"),
    ("hostname", "a\n$(x)\x1b", "must be a host name of lower-case letters, digits and '-', is 'a\\n$(x)\\x1b'"),
    ("ip_address", "fe80::1%eth0", "must be one address of a machine, such as 192.168.50.4, is 'fe80::1%eth0'"),
    ("ip_address", "224.0.0.1", "must be one address of a machine, such as 192.168.50.4, is '224.0.0.1'"),
    ("ip_address", [], "must be a text, is a list"), ("port", 0, "must be a number from 1 to 65535, is 0"),
    ("port", True, "must be a whole number, is true or false"), ("port", 5000.0, "must be a whole number, is a number with a point"),
    ("version", 10000, "must be a number from 1 to 9999, is 10000"),
    ("version", 2, "is 2, but this machine knows 1 as the newest: its image must be made anew"),
    ("ssl_certificate", "x" * 10000, "must be shorter than 10000 characters, has 10000"),
    ("ssl_certificate", "x", "must be one certificate in PEM form and nothing else"),
    ("ssl_certificate", pem("a") + pem("b"), "must be one certificate, holds 2"),
    ("ssl_certificate", "-----BEGIN EC PRIVATE KEY-----\n", "must be one certificate, holds a private key, which must never leave its machine")])
def test_a_bad_value_is_named(machine, key, value, problem):
    assert problems(machine, package(*A2, **{key: value})) == [f"FILE: {key}: {problem}"]


@pytest.mark.parametrize("name, address, problem", [
    ("prod-s1", "192.168.50.4", "hostname: 'prod-s1' is this machine itself"), ("prod-a9", "192.168.50.9", "hostname: 'prod-a9' is no machine of this deployment"),
    ("prod-s2", "192.168.50.5", "hostname: 'prod-s2' is a web-slave, with which a web-master exchanges nothing"),
    ("prod-a2", "192.168.50.6", "ip_address: must be '192.168.50.7', is '192.168.50.6'")])
def test_who_is_no_peer_of_this_machine_is_named(machine, name, address, problem):
    assert problems(machine, package(name, address)) == [f"FILE: {problem}"]


def test_a_certificate_of_another_name_is_named(machine):
    assert problems(machine, package(*A2, ssl_certificate=pem("prod-a1", "x.example"))) == [
        "FILE: ssl_certificate: must be for 'prod-a2', is for 'prod-a1', 'x.example'"]


@pytest.mark.parametrize("days, words", [(401, "has expired on "), (-2, "is valid only from ")])
def test_a_certificate_out_of_its_time_is_named(machine, days, words):
    found = x509.read(pem("prod-a2"))
    seconds = found.not_after if days > 0 else found.not_before
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    assert problems(machine, package(*A2), time.time() + days * 86400) == [
        f"FILE: ssl_certificate: {words}{moment}{' on' if days < 0 else ''}"]


def test_a_forged_signature_is_named(machine):
    good = x509.read(pem("prod-a2"))
    forged = x509.Certificate(good.der[:-1] + bytes([good.der[-1] ^ 1]), good.dns_names, good.not_before, good.not_after)
    assert problems(machine, package(*A2, ssl_certificate=forged.pem)) == [
        "FILE: ssl_certificate: is refused by openssl: certificate signature failure"]


def test_fingerprints_are_grouped_for_people():
    assert x509.grouped("0123456789abcdef" * 4) == ["0123 4567 89AB CDEF 0123 4567 89AB CDEF"] * 2


def test_every_bit_of_a_certificate_that_is_flipped_is_found_or_makes_another_one(machine):
    """No reader may crash, and no two texts may be held for the same certificate."""
    good = x509.read(pem("prod-a2"))
    for place in range(0, len(good.der) * 8, 7):
        data = bytearray(good.der)
        data[place // 8] ^= 1 << place % 8
        try:
            found = x509.read(x509.Certificate(bytes(data), (), 0, 0).pem)
        except ValueError:
            continue
        assert found.sha256 != good.sha256


def test_authorities_know_everybody_and_web_nodes_the_authorities(machine):
    environment, role = apply.load(machine)
    assert [m.name for m in peer_package.wanted(environment, role)] == ["prod-a1", "prod-a2"]
