"""Packages that nobody should take: (label, bytes, fingerprint that people would have confirmed). Each is wrong in one way.

They are offered to prod-s1 in the name of prod-a2.
"""
import base64
import json
import subprocess

from machines import DOMAIN, EC, make_pair, print_of

RSA = ("rsa:2048",)
NAMES = ["prod-a2", DOMAIN]

HOSTNAMES = [
    "", " ", ".", "..", "prod-a9", "prod-s1", "prod-s2", "PROD-A2", "prod-a2 ", " prod-a2", "prod-a2\n", "prod-a2\0", "prod-a2\r", "prod_a2",
    "prod-a2.", "prod-a2.example.org", "-prod-a2", "prod-a2-", "../../etc/cron.d/x", "/etc/passwd", "prod-a2/../prod-a1", "a" * 64, "a" * 99,
    "a" * 100, "a" * 5000, "prod-a2;reboot", "$(reboot)", "`reboot`", "prod-a2' >> /etc/hosts; echo '", "prod-a2|sh", "prod-a2&", "*", "?", "~",
    "%s", "{{ env }}", "pr\u043ed-a2", "prod-\u0430\u0032", "prod\u2010a2", "prod-a\uff12", "prod-a2\u200b", "\u202eprod-a2", "xn--prod-a2", "\ud800",
    "localhost", "prod-a2\x1b[2K", ["prod-a2"], {"prod-a2": 1}, None, True, 7, 1.5]
ADDRESSES = [
    "", " ", "192.168.50.13", "192.168.50.12 ", " 192.168.50.12", "192.168.50.12\n", "192.168.50.012", "192.168.50", "192.168.50.12/32", "3232248332",
    "0xc0a8320c", "0.0.0.0", "127.0.0.1", "255.255.255.255", "224.0.0.1", "169.254.1.1", "240.0.0.1", "::", "::1", "fe80::1", "fe80::1%eth0",
    "ff02::1", "::ffff:192.168.50.12", "192.168.50.12 prod-a1", "192.168.50.12\n192.168.50.12 prod-a1", "prod-a2", "1" * 100, "$(id)",
    "192.168.50.\u0661\u0662", "192.168.50.12,192.168.50.13", None, True, 3232248332, ["192.168.50.12"], {}]
PORTS = [0, -1, 65536, 10 ** 30, 5000.0, 1e3, "5000", "", None, True, False, [], {}, "5000; reboot"]
VERSIONS = [0, -1, 2, 9999, 10000, 1.0, "1", None, True, [], {}]


def packages(folder, good, other, own):
    """All of them. `good`: prod-a2's own package, which would be taken; `other`: prod-a3's; `own`: that of prod-s1."""
    fields = json.loads(good)
    rows = []
    for key, values in (("hostname", HOSTNAMES), ("ip_address", ADDRESSES), ("port", PORTS), ("version", VERSIONS)):
        rows += [(f"{key} {value!r}", {**fields, key: value}) for value in values]
    rows += [(f"without {key}", {k: v for k, v in fields.items() if k != key}) for key in ("hostname", "ip_address", "ssl_certificate")]
    rows += [(f"certificate {label}", {**fields, "ssl_certificate": value}) for label, value in certificates(folder, fields, other, own)]
    found = [(label, json.dumps(value).encode(), _print(value)) for label, value in rows]
    return found + [(label, data, print_of(good)) for label, data in texts(good)]


def texts(good):
    """What is no package already as a text."""
    data = good.encode()
    deep = b'{"x":' * 2000 + b"1" + b"}" * 2000
    return [("empty", b""), ("space", b"   \n"), ("null", b"null"), ("number", b"7"), ("text", b'"x"'), ("list", b"[" + data + b"]"), ("object", b"{}"),
            ("two", data + data), ("comma", data + b","), ("cut", data[:-3]), ("half", data[:len(data) // 2]), ("UTF-16", good.encode("utf-16")),
            ("BOM", b"\xef\xbb\xbf" + data), ("not UTF-8", data.replace(b"prod-a2", b"prod-a\xff")), ("NUL", data + b"\0"), ("large", data + b" " * 40000),
            ("deep list", b"[" * 9000), ("deep object", deep), ("deep extra", data.rstrip()[:-1] + b', "x": [[[[[[[[[1]]]]]]]]]}'),
            ("NaN", data.rstrip()[:-1] + b', "x": NaN}'), ("Infinity", data.rstrip()[:-1] + b', "x": -Infinity}'),
            ("long number", data.rstrip()[:-1] + b', "x": ' + b"9" * 9000 + b"}"), ("repeated key", data.rstrip()[:-1] + b', "hostname": "prod-a2"}'),
            ("repeated deep", data.rstrip()[:-1] + b', "x": {"a": 1, "a": 2}}'), ("single quotes", data.replace(b'"', b"'")),
            ("YAML", b"hostname: prod-a2\n"), ("comment", b"// x\n" + data), ("python", b"__import__('os').system('reboot')"),
            ("ELF", b"\x7fELF" + data), ("gzip", b"\x1f\x8b\x08" + data)]


def certificates(folder, fields, other, own):
    pem = fields["ssl_certificate"]
    body = "".join(pem.splitlines()[1:-1])
    der = base64.b64decode(body)
    wrap = lambda data, label="CERTIFICATE": f"-----BEGIN {label}-----\n" + "".join(  # noqa: E731
        base64.b64encode(data).decode()[i:i + 64] + "\n" for i in range(0, len(base64.b64encode(data)), 64)) + f"-----END {label}-----\n"
    made = lambda label, *rest, **options: (label, (make_pair(folder / label.replace(" ", "-"), *rest, **options) / "cert.pem").read_text())  # noqa: E731
    flipped = lambda place: bytes(der[:place]) + bytes([der[place] ^ 1]) + bytes(der[place + 1:])  # noqa: E731
    texts_of = [("empty", ""), ("spaces", " "), ("none", None), ("list", [pem]), ("number", 5), ("two", pem + pem), ("two kinds", pem + json.loads(other)["ssl_certificate"]),
                ("text before", "x\n" + pem), ("text after", pem + "x\n"), ("blank line after", pem + "\n"), ("CRLF", pem.replace("\n", "\r\n")),
                ("no end", pem.rsplit("-----END", 1)[0]), ("no begin", pem.split("\n", 1)[1]), ("trusted", pem.replace("CERTIFICATE", "TRUSTED CERTIFICATE")),
                ("request", wrap(der, "CERTIFICATE REQUEST")), ("no base64", pem.replace(body[:8], "!!!!!!!!")), ("padding inside", pem.replace(body[:4], "AA==")),
                ("long", pem.rstrip().rsplit("\n", 1)[0] + "\n" + "A" * 10000 + "\n-----END CERTIFICATE-----\n"), ("html", "<script>alert(1)</script>"),
                ("shell", "-----BEGIN CERTIFICATE-----\n'; reboot; echo '\n-----END CERTIFICATE-----\n"), ("of another", json.loads(other)["ssl_certificate"]),
                ("of this machine", json.loads(own)["ssl_certificate"]), ("DER and more", wrap(der + b"\0")), ("DER twice", wrap(der + der)),
                ("DER cut", wrap(der[:-1])), ("DER of nothing", wrap(b"\x30\x00")), ("indefinite", wrap(b"\x30\x80" + der[4:] + b"\0\0")),
                ("long form", wrap(b"\x30\x84\0\0" + der[2:])), ("forged signature", wrap(flipped(len(der) - 1))), ("forged name", wrap(der.replace(b"prod-a2", b"prod-a1")))]
    return texts_of + [("key inside", pem + (make_pair(folder / "k", NAMES) / "key-nopass.pem").read_text()),
        made("CA", NAMES, leaf="critical,CA:TRUE"), made("CA pathlen 0", NAMES, leaf="critical,CA:TRUE,pathlen:0"), made("no constraints", NAMES, leaf=""),
        made("cert sign", NAMES, "keyUsage = critical,digitalSignature,keyCertSign"), made("RSA 1024", NAMES, key=("rsa:1024",)),
        made("SHA-1", NAMES, key=RSA, digest="sha1"), made("MD5", NAMES, key=RSA, digest="md5"), made("EC and SHA-1", NAMES, digest="sha1"),
        made("wrong SAN", ["prod-a3"]), made("domain alone", [DOMAIN]), made("no SAN", []), made("wildcard", ["*", "*.example.org"]),
        made("SAN as mail", [], "subjectAltName = email:prod-a2"), made("SAN as URI", [], "subjectAltName = URI:prod-a2"),
        made("capitals", ["PROD-A2"]), made("expired", NAMES, ends="20250101000000Z"), made("not yet", NAMES, begins="20390101000000Z"),
        made("P-224", NAMES, key=("ec", "-pkeyopt", "ec_paramgen_curve:P-224")), made("secp256k1", NAMES, key=("ec", "-pkeyopt", "ec_paramgen_curve:secp256k1")),
        made("explicit curve", NAMES, key=(*EC, "-pkeyopt", "ec_param_enc:explicit")), made("exponent 3", NAMES, key=("rsa:2048", "-pkeyopt", "rsa_keygen_pubexp:3")),
        made("servers alone", NAMES, "extendedKeyUsage = serverAuth"), made("clients alone", NAMES, "extendedKeyUsage = clientAuth"),
        made("for code", NAMES, "extendedKeyUsage = codeSigning"), made("unknown critical", NAMES, "1.2.3.4 = critical,DER:0500"),
        ("minted", _minted(folder / "minted"))]


def _minted(folder):
    """By another key, with issuer and subject of the same name."""
    issuer = make_pair(folder, NAMES)
    run = lambda *words: subprocess.run(["openssl", *words], cwd=issuer, check=True, capture_output=True)  # noqa: E731
    (issuer / "leaf").write_text("basicConstraints=critical,CA:FALSE\nsubjectAltName=DNS:prod-a2\n")
    run("req", "-newkey", *EC, "-nodes", "-keyout", "key", "-out", "csr", "-subj", "/CN=prod-a2")
    run("x509", "-req", "-in", "csr", "-CA", "cert.pem", "-CAkey", "key-nopass.pem", "-set_serial", "7", "-days", "9", "-extfile", "leaf", "-out", "minted")
    return (issuer / "minted").read_text()


def _print(value):
    try:
        return print_of(json.dumps(value))
    except (ValueError, TypeError, KeyError, AttributeError):
        return "0" * 64
