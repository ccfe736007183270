"""An authenticator in software, for what Chromium's own would never do: count backwards, lie about where it is."""

import hashlib
import json
import secrets
from itertools import count

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import bytes_to_base64url

ORIGIN = "http://localhost:5000"
PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


class Authenticator:
    """One passkey. `create` and `get` answer the options that a page asks with, as the page's script would send it."""

    def __init__(self, *, origin=ORIGIN, counts=True):
        self.key, self.id = ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(32)
        self.origin, self.host, self.counter = origin, "localhost", count(1) if counts else iter(lambda: 0, 1)

    def create(self, options):
        numbers = self.key.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        attested = bytes(16) + len(self.id).to_bytes(2) + self.id + cbor2.dumps(key)
        data = self._data(PRESENT | VERIFIED | ATTESTED) + attested
        made = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer("webauthn.create", options, attestationObject=made)

    def get(self, options, *, verified=True):
        data = self._data(PRESENT | (VERIFIED if verified else 0))
        client = self._client("webauthn.get", options)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer("webauthn.get", options, authenticatorData=data, signature=signature)

    def _data(self, flags):
        return hashlib.sha256(self.host.encode()).digest() + bytes([flags]) + next(self.counter).to_bytes(4)

    def _client(self, kind, options):
        return json.dumps({"type": kind, "challenge": options["challenge"], "origin": self.origin}).encode()

    def _answer(self, kind, options, **parts):
        parts["clientDataJSON"] = self._client(kind, options)
        encoded = {name: bytes_to_base64url(part) for name, part in parts.items()}
        id = bytes_to_base64url(self.id)
        return json.dumps({"id": id, "rawId": id, "type": "public-key", "response": encoded})
