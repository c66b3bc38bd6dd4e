"""AWS's own addresses are spoken to with TLS, and only with servers whose certificate is good."""
import http.server
import ssl
import subprocess
import threading

import pytest

NO_IMAGES = b'<?xml version="1.0"?>\n<DescribeImagesResponse><requestId>r</requestId><imagesSet/></DescribeImagesResponse>'


@pytest.fixture
def secure(tmp_path):
    """A server with a certificate that nobody has signed; its URL."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"], check=True, capture_output=True)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(NO_IMAGES)))
            self.end_headers()
            self.wfile.write(NO_IMAGES)

        def log_message(self, *_):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.socket = context.wrap_socket(service.socket, server_side=True)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    yield f"https://localhost:{service.server_address[1]}"
    service.shutdown()


def listing(server, url, bundle):
    return server.imgbuild("ami", "list", AWS_ENDPOINT_URL=url, AWS_CA_BUNDLE=bundle)


def test_a_certificate_of_nobody_is_refused(server, secure):
    result = listing(server, secure, None)
    assert (result.returncode, result.stdout) == (6, "")
    assert result.stderr.startswith(f"imgbuild: DescribeImages: no answer from {secure} after 8 attempts: SSL ")


def test_certificates_of_a_file_are_trusted(server, secure, tmp_path):
    assert listing(server, secure, tmp_path / "cert.pem").returncode == 0


def test_a_bundle_that_is_not_there_is_named(server, secure, tmp_path):
    result = listing(server, secure, tmp_path / "none.pem")
    assert (result.returncode, result.stderr) == (3, f"imgbuild: AWS_CA_BUNDLE: '{tmp_path}/none.pem' is no file\n")
