"""Where several places have credentials, those are taken that AWS's tools would take; what only they can get, they are asked for."""
import http.server
import json
import threading

import pytest

NO_KEYS = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
TEMPORARY = {"AccessKeyId": "ASIATESTTESTTESTTEST", "SecretAccessKey": "temporary/secret", "SessionToken": "token//of=tests"}
GOOD_KEYS = "aws_access_key_id = AKIATESTTESTTESTTEST\naws_secret_access_key = secret/of+the/tests\n"
BAD_KEYS = "aws_access_key_id = AKIAWRONG\naws_secret_access_key = x\n"
NEEDED = "AWS CLI 2.9 or later is needed (older ones have no 'aws configure export-credentials')"


@pytest.fixture
def awscli(tmp_path):
    """A PATH with an `aws` that gives credentials and notes its arguments in tmp_path/asked."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/aws").write_text(f"#!/bin/sh\necho \"$*\" >{tmp_path}/asked\necho '{json.dumps({'Version': 1, **TEMPORARY})}'\n")
    (tmp_path / "bin/aws").chmod(0o755)
    return f"{tmp_path}/bin:/usr/bin:/bin:/usr/sbin"


def listing(server, tmp_path, config, *options, **changes):
    (tmp_path / "config").write_text(config)
    return server.imgbuild("ami", "list", *options, **{**NO_KEYS, "AWS_CONFIG_FILE": tmp_path / "config", **changes})


@pytest.mark.parametrize("settings", [
    "sso_session = x\nsso_account_id = 1\n", "role_arn = arn:aws:iam::1:role/x\nsource_profile = other\n",
    "role_arn = arn:aws:iam::1:role/x\nweb_identity_token_file = /x\n", "login_session = x\n",
    "role_arn = arn:aws:iam::1:role/x\nsource_profile = ops\n" + BAD_KEYS, "sso_account_id = 1\nsso_role_name = x\n" + BAD_KEYS,
], ids=["sso", "role", "web identity", "login", "role beside keys", "sso beside keys"])
def test_a_login_of_a_profile_is_left_to_awscli(server, tmp_path, awscli, settings):
    result = listing(server, tmp_path, "[profile ops]\n" + settings, AWS_PROFILE="ops", PATH=awscli)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "asked").read_text() == "configure export-credentials --profile ops --format process\n"


@pytest.mark.parametrize("settings", ["login_session = x\n", "sso_session = only-for-tokens\n", "credential_process = false\n"])
def test_keys_of_a_profile_come_before_these(server, tmp_path, awscli, settings):
    assert listing(server, tmp_path, "[default]\n" + settings + GOOD_KEYS, PATH=awscli).returncode == 0
    assert not (tmp_path / "asked").exists()


WEB = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/x", "AWS_ROLE_ARN": "arn:aws:iam::1:role/x"}


@pytest.mark.parametrize("config, options, changes, asked", [
    ("[default]\n" + BAD_KEYS, [], WEB, "configure export-credentials --format process\n"),
    ("", [], {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"}, "configure export-credentials --format process\n"),
    ("[profile ops]\n", ["--profile", "ops"], {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/"},
     "configure export-credentials --profile ops --format process\n"),
    ("[profile ops]\n" + GOOD_KEYS, ["--profile", "ops"], WEB, None),
    ("[default]\n" + GOOD_KEYS, [], {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"}, None),
    ("", [], {"AWS_WEB_IDENTITY_TOKEN_FILE": "/x", "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST", "AWS_SECRET_ACCESS_KEY": "secret/of+the/tests"}, None),
], ids=["web identity before keys of a profile", "container", "container for an empty profile", "a named profile before web identity",
        "keys of a profile before the container", "keys in the environment first"])
def test_logins_in_the_environment_are_left_to_awscli(server, tmp_path, awscli, config, options, changes, asked):
    result = listing(server, tmp_path, config, *options, **changes, PATH=awscli)
    assert result.returncode == 0, result.stderr
    assert ((tmp_path / "asked").read_text() if (tmp_path / "asked").exists() else None) == asked


def test_the_real_awscli_gets_those_of_a_container(server, tmp_path):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            text = json.dumps({"AccessKeyId": TEMPORARY["AccessKeyId"], "SecretAccessKey": TEMPORARY["SecretAccessKey"], "Token": TEMPORARY["SessionToken"],
                               "Expiration": "2099-01-01T00:00:00Z"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    result = listing(server, tmp_path, "", AWS_CONTAINER_CREDENTIALS_FULL_URI=f"http://127.0.0.1:{service.server_address[1]}/", PATH="/usr/bin:/bin:/usr/sbin")
    service.shutdown()
    assert result.returncode == 0, result.stderr


def test_an_awscli_that_is_not_there_is_named(server, tmp_path):
    hide = ["unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount --bind /dev/null /usr/bin/aws && exec "$@"', "sh"]
    result = listing(server, tmp_path, "", **WEB, PATH="/usr/bin:/bin:/usr/sbin", prefix=hide)
    assert (result.returncode, result.stderr) == (
        5, "imgbuild: AWS_WEB_IDENTITY_TOKEN_FILE needs the program 'aws' for its login, and it is not installed\n"
        f"hint: {NEEDED}; or set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN\n")


def test_an_awscli_that_is_too_old_is_told_from_one_without_a_login(server, tmp_path, awscli):
    (tmp_path / "bin/aws").write_text("#!/bin/sh\necho \"argument subcommand: Invalid choice\" >&2\nexit 252\n")
    result = listing(server, tmp_path, "[profile ops]\nsso_account_id = 1\n", "--profile", "ops", PATH=awscli)
    assert result.stderr == ("imgbuild: aws ended with exit status 252:\nargument subcommand: Invalid choice\n  while asking for the credentials of profile 'ops'\n"
                             f"hint: {NEEDED}; if a login has ended, log in again: aws sso login\n")


@pytest.mark.parametrize("region", ["eu-central-1", None])
def test_a_profile_that_does_not_exist_is_named(server, tmp_path, region):
    for options, name in ((["--profile", "opps"], "ops"), ([], "opps")):
        result = listing(server, tmp_path, "[profile ops]\n" + GOOD_KEYS, *options, AWS_PROFILE=name, AWS_REGION=region)
        assert (result.returncode, result.stdout, result.stderr) == (
            3, "", f"imgbuild: profile 'opps': is neither in {tmp_path}/config nor in {tmp_path}/no-credentials\n"
            "hint: --profile and AWS_PROFILE name a section of these files\n")


def test_a_name_with_blanks_is_in_quotes(server, tmp_path):
    assert listing(server, tmp_path, '[profile "night shift"]\n' + GOOD_KEYS, "--profile", "night shift").returncode == 0
