#!/usr/bin/python3
"""An HTTPS server on loopback that serves a folder and misbehaves as told: base_server.py FOLDER [plain]

With "plain" it speaks HTTP. Writes FOLDER/ca.pem (the test CA), FOLDER/port once it listens, and FOLDER/requests.jsonl (one line a request, written
before its last byte is sent). How the file NAME is served is told by NAME.how, a JSON object with any of:

    times             how often it applies, then the file is served well; default: always
    wait              seconds before it answers
    status            answer with this status and no file
    location          redirect there (302)
    drop              close the connection without an answer
    send              send only so many bytes of what was announced, then close
    stall             send so many bytes, then nothing until the client goes
    drip              send one byte, wait 50 ms, and so on
    endless           chunked zeros without end
    length            announce this Content-Length
    chunked           announce no length
    append            bytes to send behind the file's own
    swap              serve this other file instead
    ignore_range      answer a Range request with the whole file
    wrong_range       answer a Range request with another part than asked for
    etag, type, encoding   headers
"""

import http.server
import json
import os
import ssl
import subprocess
import sys
import threading
import time

folder = os.path.realpath(sys.argv[1])
lock = threading.Lock()
uses = {}


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_certificate():
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    openssl("req", "-x509", *curve, "-subj", "/CN=imgbuild test CA", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", *curve, "-subj", "/CN=imgbuild test", "-keyout", "server.key", "-out", "server.csr",
            "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-copy_extensions", "copy", "-out", "server.pem")


def read_how(path):
    """What NAME.how asks for this request, which uses it up."""
    if not os.path.exists(path + ".how"):
        return {}
    with open(path + ".how", encoding="utf-8") as file:
        how = json.load(file)
    with lock:
        uses[path] = uses.get(path, 0) + 1
        return how if uses[path] <= how.get("times", 1 << 30) else {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_message(self, *_):
        pass

    def note(self, sent):
        line = {"path": self.path, "range": self.headers.get("Range", ""), "if_range": self.headers.get("If-Range", ""),
                "agent": self.headers.get("User-Agent", ""), "sent": sent}
        with lock, open(os.path.join(folder, "requests.jsonl"), "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def do_GET(self):
        path = os.path.join(folder, self.path.lstrip("/"))
        how = read_how(path)
        time.sleep(how.get("wait", 0))
        if how.get("drop"):
            self.note(0)
            self.close_connection = True
        elif "location" in how:
            self.answer_empty(302, {"Location": how["location"]})
        elif "status" in how:
            self.answer_empty(how["status"], {})
        elif not os.path.isfile(path):
            self.answer_empty(404, {})
        else:
            with open(os.path.join(os.path.dirname(path), how["swap"]) if "swap" in how else path, "rb") as file:
                self.serve(file.read(), how)

    def answer_empty(self, status, headers):
        body = b"<html>some page about the error</html>"
        self.note(len(body))
        self.send_response(status)
        for name, value in {"Content-Type": "text/html", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def asked_from(self, size, how):
        """The offset asked for, or None for the whole."""
        asked = self.headers.get("Range", "")
        condition = self.headers.get("If-Range")
        if not asked.startswith("bytes=") or how.get("ignore_range") or (condition and condition != how.get("etag", '"v1"')):
            return None
        return min(int(asked[6:].split("-")[0]), size)

    def serve(self, content, how):
        first = self.asked_from(len(content), how)
        if first is not None and first >= len(content):
            self.answer_empty(416, {})
            return
        self.send_response(200 if first is None else 206)
        body = content[first or 0:] + how.get("append", "").encode()
        if first is not None:
            shown = first + 1 if how.get("wrong_range") else first
            self.send_header("Content-Range", f"bytes {shown}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", how.get("etag", '"v1"'))
        self.send_header("Content-Type", how.get("type", "application/octet-stream"))
        if "encoding" in how:
            self.send_header("Content-Encoding", how["encoding"])
        if how.get("endless") or how.get("chunked"):
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(how.get("length", len(body))))
        self.end_headers()
        try:
            self.send_body(body, how)
        except (OSError, ssl.SSLError):
            self.close_connection = True  # the client has had enough

    def send_body(self, body, how):
        if how.get("endless"):
            self.note(-1)
            while True:
                self.send_chunk(bytes(1 << 16))
        if how.get("chunked"):
            self.note(len(body))
            self.send_chunk(body)
            self.send_chunk(b"")
        elif "send" in how or "stall" in how:
            part = body[:how.get("send", how.get("stall"))]
            self.note(len(part))
            self.wfile.write(part)
            self.wfile.flush()
            if "stall" in how:
                self.rfile.read(1)  # returns when the client goes
            self.close_connection = True
        elif how.get("drip"):
            self.note(-1)
            for byte in body:
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)
        else:
            self.note(len(body))
            self.wfile.write(body)
            self.close_connection = "length" in how

    def send_chunk(self, body):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(body), body))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a client that goes in the middle is what many tests are about


def main():
    server = Server(("127.0.0.1", 0), Handler)
    if sys.argv[2:] != ["plain"]:
        make_certificate()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(folder, "server.pem"), os.path.join(folder, "server.key"))
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with open(os.path.join(folder, "port.new"), "w", encoding="utf-8") as file:
        file.write(str(server.server_port))
    os.rename(os.path.join(folder, "port.new"), os.path.join(folder, "port"))
    server.serve_forever()


main()
