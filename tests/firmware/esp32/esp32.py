"""MicroPython's `esp32.NVS`: blobs, in the file `nvs` of the configuration, kept by commit.

Ref: MicroPython ports/esp32/esp32_nvs.c; errors as `check_esp_err` raises them.
"""

import binascii
import json
import sys

_NOT_FOUND = -0x1102
_INVALID_LENGTH = -0x110C

with open(sys.argv[1]) as _file:
    _path = json.load(_file).get("nvs", "")


class NVS:
    def __init__(self, namespace):
        if len(namespace) > 15:
            raise OSError(-0x1106, "ESP_ERR_NVS_INVALID_NAME")
        self._namespace = namespace

    def get_blob(self, key, buffer):
        text = self._read().get(self._namespace, {}).get(key)
        if text is None:
            raise OSError(_NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        value = binascii.unhexlify(text)
        if len(value) > len(buffer):
            raise OSError(_INVALID_LENGTH, "ESP_ERR_NVS_INVALID_LENGTH")
        buffer[: len(value)] = value
        return len(value)

    def _read(self):
        if not _path:
            return {}
        with open(_path) as file:
            return json.load(file)
