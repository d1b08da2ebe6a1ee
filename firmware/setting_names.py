"""Words that settings may be, and the error of one that may not."""

PENDANT = "pendant"
BED = "bed"
BATHROOM = "bathroom"
ROOM = "room"
NONE = "none"
SIP_RADARS = ("r60abd1", "r60afd1", "mr60bha1", "mr60fda1", "c1001")
TINYFRAME_RADARS = ("ld6002", "ld6002b", "ld6002c", "mr60bha2", "mr60fda2")
HILINK_RADARS = ("ld2410", "ld2412", "ld2450")
LIS3DH, MPU6050 = "lis3dh", "mpu6050"
NAU7802, HX711 = "nau7802", "hx711"
MOTION, STRAP = "motion", "strap"
USB, UART, BLE = "usb", "uart", "ble"
INPUT_CHANNELS = range(10, 20)

LIS3DH_ADDRESSES = (0x18, 0x19)
MPU6050_ADDRESSES = (0x68, 0x69)


class SettingsError(Exception):
    """A key of the settings is wrong: one line that names it."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__("%s: %s" % (key, why))
