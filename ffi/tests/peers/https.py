"""HTTPS of another make: Python's, on OpenSSL.

https.py serve PORT CHAIN.pem KEY.pem: PUT gives back what it is sent; GET promises more than it sends, and ends without a close_notify.
https.py ask PORT CA.pem FILE: puts that file twice on one connection, compares what comes back, and has the server stop.
"""
import http.client
import http.server
import ssl
import sys


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(b"x" * 1000)
        self.close_connection = True

    def log_message(self, *_):
        pass


def serve(port, chain, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Answers)
    server.daemon_threads = True
    # The handshake is that client's thread's, which may find nobody.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.handle_error = lambda *_: None
    server.serve_forever()


def ask(port, ca, path):
    with open(path, "rb") as file:
        body = file.read()
    context = ssl.create_default_context(cafile=ca)
    # Two requests on one connection, and a third by which it ends.
    connection = http.client.HTTPSConnection("localhost", int(port), context=context, timeout=60)
    for _ in range(2):
        connection.request("PUT", "/", body)
        assert connection.getresponse().read() == body
    connection.request("GET", "/stop", headers={"Connection": "close"})
    assert connection.getresponse().read() == b"hello from libpith\n"


{"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
