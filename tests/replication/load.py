"""Writers that keep what the server acknowledged: an id is kept once its commit was answered, and not a moment earlier."""
import itertools
import subprocess
import threading
import time

TABLE = "CREATE TABLE IF NOT EXISTS votes (id bigint PRIMARY KEY, body text NOT NULL)"
_ids = itertools.count(1)


class Writers:
    """`count` clients of a node, each with one row a commit, until the server goes away or `stop`."""

    def __init__(self, node, count=4):
        self.acknowledged = []
        self.warnings = []
        self.stopped = False
        self.threads = [threading.Thread(target=self._write, args=(node,), daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def wait_for(self, count, seconds=90):
        """Waits until `count` more rows are acknowledged."""
        target = len(self.acknowledged) + count
        deadline = time.monotonic() + seconds
        while len(self.acknowledged) < target:
            assert time.monotonic() < deadline, f"only {len(self.acknowledged)} of {target} rows acknowledged"
            time.sleep(0.005)

    def stop(self):
        """Ends the writers and returns all acknowledged ids."""
        self.stopped = True
        for thread in self.threads:
            thread.join(timeout=30)
            assert not thread.is_alive(), "a writer still waits for the server"
        return list(self.acknowledged)

    def _write(self, node):
        client = subprocess.Popen([*node.enter(), "runuser", "-u", "postgres", "--", "psql", "-X", "-A", "-t", "-q", "ballot_box"], text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=1)
        try:
            while not self.stopped:
                number = next(_ids)
                client.stdin.write(f"INSERT INTO votes VALUES ({number}, repeat('x', 100)) RETURNING id;\n")
                if client.stdout.readline() != f"{number}\n":
                    return
                self.acknowledged.append(number)
        except BrokenPipeError:
            return
        finally:
            client.kill()
            client.wait()


def ids(node):
    return {int(line) for line in node.sql("SELECT id FROM votes").split()}


def digest(node):
    return node.sql("SELECT count(*), md5(string_agg(id || body, ',' ORDER BY id)) FROM votes")


def wait_until(condition, what, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
