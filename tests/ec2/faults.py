"""What goes wrong on purpose, and with which of AWS's words each service says so."""

import collections
import random
import select
import threading

from refused import Refused

SILENT = {"hang", "hold", "stall"}  # no answer comes, and the connection stays open
DENIED = "You are not authorized to perform this operation."


class Faults:
    """Rules, each {"operation", "fault"} and any of "rate" (0…1), "times", "after" (calls let through), "key" (only requests signed with it),
    "block" (only this one); server.py lists the faults."""

    def __init__(self):
        self.lock = threading.Lock()
        self.set([], 1)

    def set(self, rules, seed):
        with self.lock:
            self.rules, self.random, self.seen = rules, random.Random(seed), collections.Counter()

    def pick(self, operation, is_body_read, key=None, block=None):
        """The fault of the first rule that strikes, or None. A stall is decided on before the body is read, all others after."""
        with self.lock:
            for number, rule in enumerate(self.rules):
                if rule["operation"] not in (operation, "*") or (rule["fault"] == "stall") == is_body_read:
                    continue
                if rule.get("key", key) != key or rule.get("block", block) != block:
                    continue
                self.seen[number, "calls"] += 1
                if self.seen[number, "calls"] <= rule.get("after", 0) or self.seen[number, "done"] >= rule.get("times", 1 << 60):
                    continue
                if self.random.random() < rule.get("rate", 1):
                    self.seen[number, "done"] += 1
                    return rule["fault"]
        return None


REFUSALS = {
    ("throttle", "ebs"): (400, "RequestThrottledException", "The request was throttled", {"Reason": "ACCOUNT_THROTTLED"}),
    ("throttle", "ec2"): (503, "RequestLimitExceeded", "Request limit exceeded.", {}),
    ("throttle", "s3"): (503, "SlowDown", "Please reduce your request rate.", {}),
    ("error500", "ebs"): (500, "InternalServerException", "An internal error has occurred", {}),
    ("error500", "ec2"): (500, "InternalError", "An internal error has occurred", {}),
    ("error500", "s3"): (500, "InternalError", "We encountered an internal error. Please try again.", {}),
    ("expired", "ebs"): (403, "ExpiredTokenException", "The security token is expired", {}),
    ("expired", "ec2"): (400, "RequestExpired", "Request has expired.", {}),
    ("expired", "s3"): (400, "ExpiredToken", "The provided token has expired.", {}),
    ("denied", "ebs"): (403, "AccessDeniedException", DENIED, {"Reason": "UNAUTHORIZED_ACCOUNT"}),
    ("denied", "ec2"): (403, "UnauthorizedOperation", DENIED, {}),
    ("redirect", "s3"): (301, "PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint.", {}),
    ("denied", "s3"): (403, "AccessDenied", "Access Denied", {}),
}


def refuse(fault, service):
    """Raises Refused if the fault is an answer of AWS."""
    if (fault, service) in REFUSALS:
        status, code, message, fields = REFUSALS[fault, service]
        raise Refused(status, code, message, **fields)


def wait_for_the_client_to_go(connection):
    """What it still sends is not read."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
    poll.poll()
