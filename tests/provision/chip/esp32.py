"""`esp32.NVS` of a board at its REPL: blobs, in the file of $NVS, kept by commit.

Ref: MicroPython ports/esp32/esp32_nvs.c; errors as `check_esp_err` raises them.
"""

import binascii
import json
import os

_NOT_FOUND = -0x1102


class NVS:
    def __init__(self, namespace):
        self._namespace = namespace
        try:
            with open(os.getenv("NVS")) as file:
                self._all = json.load(file)
        except OSError:
            self._all = {}
        self._blobs = self._all.setdefault(namespace, {})

    def set_blob(self, key, value):
        if len(key) > 15:
            raise OSError(-0x1109, "ESP_ERR_NVS_KEY_TOO_LONG")
        self._blobs[key] = binascii.hexlify(value).decode()

    def erase_key(self, key):
        if key not in self._blobs:
            raise OSError(_NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        del self._blobs[key]

    def commit(self):
        with open(os.getenv("NVS"), "w") as file:
            json.dump(self._all, file)
