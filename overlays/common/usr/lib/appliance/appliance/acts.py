"""Commands of a web node: promotion, backups, datastore, and what its units and peers run. Each module is read only when used."""
import json
import os
import sys

from .errors import ApplianceError


def add(command):
    """Adds the commands; `command` is (name, run, text)."""
    promote = command("promote", _promote, "make this standby the primary, once the old one is fenced")
    promote.add_argument("--old-primary-is-off", metavar="REASON", default="", help="it cannot be reached, and you know that it is off")
    promote.add_argument("--accept-loss", metavar="REASON", default="", help="commits that only the old primary has may be lost")
    degrade = command("degrade", _degrade, "let this primary acknowledge commits while its standby is gone")
    degrade.add_argument("--yes", action="store_true", help="do not ask")
    command("rejoin", _rejoin, "make this former primary a standby again")
    command("pull", _pull, "copy the datastore from the primary now")
    backup = command("backup", _backup, "make a base backup of the database")
    backup.add_argument("--list", action="store_true", help="show those that are there")
    restore = command("restore", _restore, "bring the database back to a base backup and the WAL after it")
    restore.add_argument("name", metavar="NAME", help="one of `appliance backup --list`")
    restore.add_argument("--to", metavar="TIME", default="", help="not to the end, but to this moment, such as 2031-11-21T04:00:00Z")
    command("watch", _watch)
    peer = command("peer", _peer)
    peer.add_argument("caller")
    peer.add_argument("word", choices=("status", "synchronous", "fence", "fence-anyway"))


def _promote(host, arguments):
    from . import promotion
    _say(promotion.promote(host, arguments.old_primary_is_off, arguments.accept_loss))


def _degrade(host, arguments):
    from . import promotion
    _say(promotion.degrade(host, lambda text: arguments.yes or _asked(text)))


def _rejoin(host, _):
    from . import rejoin
    _say(rejoin.rejoin(host))


def _pull(host, _):
    from . import datastore
    _say(datastore.pull(host))


def _backup(host, arguments):
    from . import backup
    _say(backup.names(host) if arguments.list else backup.backup(host))


def _restore(host, arguments):
    from . import restore
    _say(restore.restore(host, arguments.name, arguments.to))


def _watch(host, _):
    from . import watch
    watch.run(host)


def _peer(host, arguments):
    from . import peer
    # What apply prints is for the journal here; standard output is the answer.
    with open(os.devnull, "w") as nowhere:
        sys.stdout, answers = nowhere, sys.stdout
        try:
            answer = peer.answer(host, arguments.caller, arguments.word)
        finally:
            sys.stdout = answers
    print(json.dumps(answer))


def _asked(text):
    if not sys.stdin.isatty():
        raise ApplianceError("nobody can be asked here: give --yes")
    print(f"{text} Type yes to go on: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() == "yes"


def _say(sentences):
    for sentence in sentences:
        print(sentence)
