# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""AES-GCM by the host's libcrypto, reached through ctypes: seals and opens ESP for the judge.

A second opinion beside tshark, which cannot check an ICV that covers an ESN's high half.  Python's
own ssl module needs libcrypto, so it is always there; no further package is.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import os

_SET_IVLEN, _GET_TAG, _SET_TAG = 0x9, 0x10, 0x11
TAG_LEN = 16


class BadTag(Exception):
    """The packet was not sealed with this key, or not in this form."""


@functools.cache
def _lib():
    # libssl of this very Python tells where its libcrypto is, if the usual names do not.
    for name in ("libcrypto.so.3", ctypes.util.find_library("crypto"), "libcrypto.so.1.1"):
        if not name:
            continue
        try:
            lib = ctypes.CDLL(name)
        except OSError:
            continue
        ptr, num, buf = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
        for func, result, args in (
                ("EVP_CIPHER_CTX_new", ptr, []), ("EVP_CIPHER_CTX_free", None, [ptr]),
                ("EVP_aes_128_gcm", ptr, []), ("EVP_aes_192_gcm", ptr, []),
                ("EVP_aes_256_gcm", ptr, []),
                ("EVP_CIPHER_CTX_ctrl", num, [ptr, num, num, ptr]),
                ("EVP_CipherInit_ex", num, [ptr, ptr, ptr, buf, buf, num]),
                ("EVP_CipherUpdate", num, [ptr, ptr, ptr, buf, num]),
                ("EVP_CipherFinal_ex", num, [ptr, ptr, ptr])):
            getattr(lib, func).restype = result
            getattr(lib, func).argtypes = args
        return lib
    raise OSError("libcrypto is not installed (Debian package libssl3)")


class Gcm:
    """One key; 12-byte nonces, 16-byte tags."""

    def __init__(self, key: bytes):
        lib = _lib()
        cipher = {16: lib.EVP_aes_128_gcm, 24: lib.EVP_aes_192_gcm, 32: lib.EVP_aes_256_gcm}
        if len(key) not in cipher:
            raise ValueError(f"an AES key has 16, 24 or 32 bytes, not {len(key)}")
        self._ctx = lib.EVP_CIPHER_CTX_new()
        ok = lib.EVP_CipherInit_ex(self._ctx, cipher[len(key)](), None, key, None, 1)
        if not self._ctx or ok != 1:
            raise OSError("libcrypto has no AES-GCM")

    def __del__(self):
        if getattr(self, "_ctx", None):
            _lib().EVP_CIPHER_CTX_free(self._ctx)
            self._ctx = None

    def _run(self, encrypt: int, nonce: bytes, data: bytes, aad: bytes, tag: bytes | None):
        lib, ctx, done = _lib(), self._ctx, ctypes.c_int()
        out = ctypes.create_string_buffer(len(data) + 16)
        if lib.EVP_CipherInit_ex(ctx, None, None, None, nonce, encrypt) != 1:
            raise OSError("libcrypto refused the nonce")
        if tag is not None:
            lib.EVP_CIPHER_CTX_ctrl(ctx, _SET_TAG, len(tag), ctypes.create_string_buffer(tag))
        if aad:
            lib.EVP_CipherUpdate(ctx, None, ctypes.byref(done), aad, len(aad))
        lib.EVP_CipherUpdate(ctx, out, ctypes.byref(done), data, len(data))
        size = done.value
        if lib.EVP_CipherFinal_ex(ctx, ctypes.byref(out, size), ctypes.byref(done)) != 1:
            raise BadTag
        if tag is not None:
            return out.raw[:size]
        mac = ctypes.create_string_buffer(TAG_LEN)
        lib.EVP_CIPHER_CTX_ctrl(ctx, _GET_TAG, TAG_LEN, mac)
        return out.raw[:size] + mac.raw

    def seal(self, nonce: bytes, plain: bytes, aad: bytes) -> bytes:
        return self._run(1, nonce, plain, aad, None)

    def open(self, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
        """Raises BadTag; the tag is the last 16 bytes of sealed."""
        if len(sealed) < TAG_LEN:
            raise BadTag
        return self._run(0, nonce, sealed[:-TAG_LEN], aad, sealed[-TAG_LEN:])


def random_key(bits: int = 128) -> bytes:
    """Key and salt for rfc4106."""
    return os.urandom(bits // 8 + 4)
