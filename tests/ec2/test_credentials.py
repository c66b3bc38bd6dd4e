"""Credentials are found where AWS's tools find them, and are never shown."""
import http.server
import json
import threading

import pytest

NO_KEYS = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
TEMPORARY = {"AccessKeyId": "ASIATESTTESTTESTTEST", "SecretAccessKey": "temporary/secret", "SessionToken": "token//of=tests"}


def listing(server, **changes):
    return server.imgbuild("ami", "list", **changes)


def test_from_the_environment_with_a_session_token(server):
    assert listing(server, AWS_ACCESS_KEY_ID="ASIATESTTESTTESTTEST", AWS_SECRET_ACCESS_KEY="temporary/secret",
                   AWS_SESSION_TOKEN="token//of=tests").returncode == 0


def test_from_a_profile(server, tmp_path):
    (tmp_path / "credentials").write_text("# mine\n[other]\naws_access_key_id = AKIAX\naws_secret_access_key = x\n"
                                          "[ops]\naws_access_key_id=AKIATESTTESTTESTTEST\naws_secret_access_key = secret/of+the/tests\n")
    (tmp_path / "config").write_text("[profile ops]\nregion = us-east-2\ns3 =\n  max_concurrent_requests = 20\n")
    files = {"AWS_SHARED_CREDENTIALS_FILE": tmp_path / "credentials", "AWS_CONFIG_FILE": tmp_path / "config"}
    assert listing(server, **files, **NO_KEYS, AWS_PROFILE="ops").returncode == 0
    assert server.imgbuild("ami", "list", "--profile", "ops", **files, AWS_ACCESS_KEY_ID="AKIAWRONG", AWS_SECRET_ACCESS_KEY="x").returncode == 0
    assert listing(server, **files, **NO_KEYS, AWS_PROFILE="other").returncode == 6


def test_from_a_process_and_anew_when_they_expire(server, tmp_path):
    (tmp_path / "give").write_text("#!/bin/sh\necho asked >>%s/asked\ncat %s/answer\n" % (tmp_path, tmp_path))
    (tmp_path / "give").chmod(0o755)
    (tmp_path / "answer").write_text(json.dumps({"Version": 1, **TEMPORARY, "Expiration": "2020-01-01T00:00:00Z"}))
    (tmp_path / "config").write_text(f"[default]\ncredential_process = \"{tmp_path}/give\" now\n")
    assert listing(server, AWS_CONFIG_FILE=tmp_path / "config", **NO_KEYS).returncode == 0
    assert (tmp_path / "asked").read_text().count("asked") == 2  # they were about to expire


def test_what_a_process_that_fails_has_printed_is_not_shown(server, tmp_path):
    (tmp_path / "answer").write_text(json.dumps({"Version": 1, **TEMPORARY}))
    (tmp_path / "config").write_text(f"[default]\ncredential_process = sh -c 'cat {tmp_path}/answer; exit 1'\n")
    result = listing(server, AWS_CONFIG_FILE=tmp_path / "config", **NO_KEYS)
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "imgbuild: sh ended with exit status 1\n")


@pytest.fixture
def metadata():
    """An instance's metadata service that speaks IMDSv2 only."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, status, text=""):
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def do_PUT(self):
            ok = self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
            self.answer(200, "session-token-of-the-instance") if ok else self.answer(400)

        def do_GET(self):
            if self.headers["X-aws-ec2-metadata-token"] != "session-token-of-the-instance":
                return self.answer(401)
            folder = "/latest/meta-data/iam/security-credentials/"
            texts = {folder: "ops-role", folder + "ops-role": json.dumps({"Code": "Success", "AccessKeyId": TEMPORARY["AccessKeyId"], "SecretAccessKey":
                     TEMPORARY["SecretAccessKey"], "Token": TEMPORARY["SessionToken"], "Expiration": "2099-01-01T00:00:00Z"})}
            self.answer(200, texts[self.path]) if self.path in texts else self.answer(404)

        def log_message(self, *_):
            pass

    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{service.server_address[1]}"
    service.shutdown()


def test_from_the_role_of_the_instance(server, metadata):
    assert listing(server, **NO_KEYS, AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=metadata).returncode == 0


def test_from_the_role_of_the_instance_where_the_profile_has_none(server, metadata, tmp_path):
    (tmp_path / "config").write_text("[profile ops]\noutput = json\n")
    service = {**NO_KEYS, "AWS_CONFIG_FILE": tmp_path / "config", "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata}
    for options in (["--profile", "ops"], []):
        assert server.imgbuild("ami", "list", *options, **service, AWS_PROFILE="ops", AWS_EC2_METADATA_DISABLED="false").returncode == 0
    assert listing(server, **service, AWS_EC2_METADATA_DISABLED="TRUE").returncode == 3


def test_none_at_all(server):
    result = listing(server, **NO_KEYS)
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr == ("imgbuild: there are no AWS credentials: neither AWS_ACCESS_KEY_ID, nor keys or a login in profile 'default', nor a role of this instance\n"
                             "hint: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of ~/.aws/config with --profile\n")


def test_half_of_a_pair(server):
    result = listing(server, AWS_SECRET_ACCESS_KEY=None)
    assert result.stderr == ("imgbuild: only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set\nhint: set both, or neither\n")


def test_a_torn_credentials_file_is_named_and_not_shown(server, tmp_path):
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = AKIAX\nvery-secret-text\n")
    result = listing(server, **NO_KEYS, AWS_SHARED_CREDENTIALS_FILE=tmp_path / "credentials")
    assert result.stderr == f"imgbuild: {tmp_path}/credentials:3: is neither [section] nor name = value\n"


def test_plain_http_is_for_this_machine_only(server):
    result = listing(server, AWS_ENDPOINT_URL="http://aws.example.net")
    assert (result.returncode, result.stderr) == (3, "imgbuild: http://aws.example.net/: is neither an https address nor one of this machine\n")


def ways_to_get_them(tmp_path, metadata):
    """For each way the environment that leads there."""
    (tmp_path / "answer").write_text(json.dumps({"Version": 1, **TEMPORARY}))
    (tmp_path / "process").write_text(f"[default]\ncredential_process = cat {tmp_path}/answer\n")
    return {"keys": {}, "token": dict(zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), TEMPORARY.values())),
            "process": {**NO_KEYS, "AWS_CONFIG_FILE": tmp_path / "process"},
            "role": {**NO_KEYS, "AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata}}


@pytest.mark.parametrize("way", ["keys", "token", "process", "role"])
def test_secrets_are_in_no_argument_and_no_output(server, disk, tmp_path, metadata, way):
    """The whole life of an upload under strace's eyes: what is executed, and what is written to the terminal."""
    trace = server.folder / "trace"
    result = server.ok("--progress", "plain", "ami", "upload", disk, **ways_to_get_them(tmp_path, metadata)[way],
                       prefix=["strace", "-f", "-qq", "-e", "trace=execve", "-s", "100000", "-o", trace])
    texts = [trace.read_bytes(), result.stdout.encode(), result.stderr.encode()]
    texts += [file.read_bytes() for file in server.state_folder.glob("**/*") if file.is_file()]
    assert b"execve(" in texts[0]
    for secret in (b"secret/of+the/tests", b"temporary/secret", b"token//of=tests", b"session-token-of-the-instance"):
        assert not any(secret in text for text in texts)
