"""What a value may look like. Everything that reaches a template passed through one of these.

Each function returns the value in its one canonical form or throws ValueError that says what would be right.
"""
import ipaddress
import re

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
WORD = re.compile(r"[a-z][a-z0-9_-]{0,62}")
ZONE = re.compile(r"[A-Za-z0-9+_-]+(/[A-Za-z0-9+_-]+){0,2}")
TOKEN = re.compile(r"[A-Za-z0-9._-]{1,128}")
COUNT = re.compile(r"[1-9][0-9]{0,5}|1000000")
SSH_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)"
                     r" [A-Za-z0-9+/]{40,}={0,2}( [\x20-\x7e]*)?")


def hostname(text):
    return _matching(LABEL, text, "must be a host name of lower-case letters, digits and '-'")


def word(text):
    return _matching(WORD, text, "must be a word of lower-case letters, digits, '_' and '-'")


def token(text):
    return _matching(TOKEN, text, "must be 1 to 128 letters, digits, '.', '_' and '-'")


def fqdn(text):
    labels = text.split(".")
    if len(text) > 253 or not all(LABEL.fullmatch(label) for label in labels):
        raise ValueError("must be a domain name such as vote.example.org")
    return text


def address(text):
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("must be an IP address such as 192.168.50.4") from None


def network(text):
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise ValueError("must be a network such as 192.168.50.0/24, without host bits") from None


def timezone(text):
    return _matching(ZONE, text, "must be a time zone such as Europe/Vienna or UTC")


def ssh_key(text):
    return _matching(SSH_KEY, text, "must be one public ssh key in one line")


def is_count(text):
    """Whether this is a plain decimal number from 1 to 1000000; YAML has other ways to write one."""
    return COUNT.fullmatch(text) is not None


def password(text):
    """Printable ASCII: for it SASLprep, which PostgreSQL applies, changes nothing."""
    if not 8 <= len(text) <= 256 or not all(" " <= c <= "~" for c in text):
        raise ValueError("must be 8 to 256 printable ASCII characters")
    return text


def _matching(pattern, text, rule):
    if not pattern.fullmatch(text):
        raise ValueError(rule)
    return text
