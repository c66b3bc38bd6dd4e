"""Words between web nodes, over ssh as user postgres with pinned host keys; the other side runs peer.py for them."""
import json

from . import postgres
from .errors import ApplianceError

OPTIONS = ["-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes",
           "-o", "UserKnownHostsFile=/etc/ssh/ssh_known_hosts", "-o", "HostKeyAlgorithms=ssh-ed25519", "-o", "UpdateHostKeys=no",
           "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=12"]
UNREACHABLE = 255


class Unreachable(ApplianceError):
    """The other node did not take the connection; whether it runs is not known."""


def tell(host, machine, word):
    """What the other node answers to one of peer.WORDS, as a mapping. Throws Unreachable, or ApplianceError if it refuses."""
    done = host.run(postgres.as_postgres(["ssh", *OPTIONS, "-i", f"{postgres.HOME}/.ssh/id_ed25519", f"postgres@{machine.name}", word]))
    said = " ".join((done.stderr or "said nothing").split())[-400:]
    if done.returncode == UNREACHABLE:
        raise Unreachable(f"{machine.name} cannot be reached over ssh: {said}")
    if done.returncode != 0:
        raise ApplianceError(f"{machine.name} refuses '{word}': {said}")
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise ApplianceError(f"{machine.name} answers '{word}' with no JSON text") from None
