"""A TLS client in Python by ctypes, over its own socket: client.py HOST PORT CA.pem

The interface serves more than C: the structs and functions of pith.h are written down here as far as they are needed.
"""
import ctypes
import socket
import sys
from ctypes import POINTER, byref, c_char_p, c_int32, c_size_t, c_uint8, c_uint16, c_void_p

OK, WANT_INPUT, END, HANDSHAKING = 0, 1, 6, 0


class Bytes(ctypes.Structure):
    _fields_ = [("data", c_char_p), ("len", c_size_t)]


class TrustOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("roots_pem", Bytes)]  # what follows is zero, and need not be there


class ClientOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("trust", c_void_p)]


class Info(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("suite", c_uint16), ("group", c_uint16)]


class Status(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("receiving", c_int32)]


pith = ctypes.CDLL("libpith.so.0")
pith.pith_group_name.restype = pith.pith_tls_error.restype = c_char_p


def check(status, text=lambda: pith.pith_tls_error(tls)):
    if status < 0:
        sys.exit((text() or b"no text").decode())
    return status


def made(constructor, *arguments):
    made, why = c_void_p(), ctypes.create_string_buffer(256)
    check(constructor(byref(made), *arguments, why, c_size_t(len(why))), lambda: why.value)
    return made


def send_waiting():
    buffer, n = ctypes.create_string_buffer(16645), c_size_t()
    while pith.pith_tls_transmit(tls, buffer, c_size_t(len(buffer)), byref(n)) == OK and n.value:
        sock.sendall(buffer.raw[: n.value])


def receive():
    """Receives once; gives the plaintext that came of it."""
    data, plaintext, n = sock.recv(16384), b"", c_size_t()
    if not data:
        check(pith.pith_tls_eof(tls))
    buffer = ctypes.create_string_buffer(16384)
    while data:
        status = pith.pith_tls_receive(tls, data, c_size_t(len(data)), byref(n), None)
        data = data[n.value :]
        if status < 0:
            send_waiting()  # the alert
        check(status)
        while pith.pith_tls_read(tls, buffer, c_size_t(len(buffer)), byref(n)) == OK and n.value:
            plaintext += buffer.raw[: n.value]
    send_waiting()
    return plaintext


host, port, ca = sys.argv[1:]
pem = open(ca, "rb").read()
trust = made(pith.pith_trust_new, byref(TrustOptions(ctypes.sizeof(TrustOptions), Bytes(pem, len(pem)))))
config = made(pith.pith_client_config_new, byref(ClientOptions(ctypes.sizeof(ClientOptions), trust)))
tls = made(pith.pith_tls_client, config, c_char_p(host.encode()), None)
sock = socket.create_connection((host, int(port)))
send_waiting()
status = Status(ctypes.sizeof(Status))
while check(pith.pith_tls_get_status(tls, byref(status))) == OK and status.receiving == HANDSHAKING:
    receive()
info = Info(ctypes.sizeof(Info))
check(pith.pith_tls_info(tls, byref(info)))
print(pith.pith_group_name(info.group).decode(), file=sys.stderr)
request, taken = b"GET / HTTP/1.0\r\n\r\n", c_size_t()
check(pith.pith_tls_write(tls, request, c_size_t(len(request)), byref(taken)))
send_waiting()
answer, end = b"", c_size_t()
while pith.pith_tls_read(tls, None, c_size_t(0), byref(end)) != END:
    answer += receive()
sys.stdout.write(answer.decode())
pith.pith_tls_close(tls)
send_waiting()
pith.pith_tls_free(tls)
pith.pith_client_config_free(config)
pith.pith_trust_free(trust)
