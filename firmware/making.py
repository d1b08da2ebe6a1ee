"""Makes the parts that the settings name; in memory only while a unit starts.

A driver is imported only by a unit that has its part: the codec of a radar alone takes a tenth
of the heap.
"""

from firmware import profile, setting_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.boards.board import Board
    from firmware.drivers.ads1115 import Ads1115
    from firmware.drivers.contact import Button
    from firmware.drivers.cord import Cord
    from firmware.drivers.hx711 import Hx711
    from firmware.drivers.inputs import Input
    from firmware.drivers.lis3dh import Lis3dh
    from firmware.drivers.mpu6050 import Mpu6050
    from firmware.drivers.nau7802 import Nau7802
    from firmware.drivers.radar import Module
    from firmware.drivers.radar_line import Radar, Watch
    from firmware.settings import Settings
    from firmware.uptime import Clock

_POLL_MS = 100
_SLOW_POLL_MS = 200
"""A block of acceleration at 100 Hz, at 50 Hz: a FIFO of 32 samples still has room for twice."""
_BUS = "main"
_POWER = "radar_power"
_HILINK_SENT = ("configure", "version", "restart", "end")
_HILINK_ASKED = {
    "ld2410": ("parameters",),
    "ld2412": ("basic_parameters", "move_thresholds", "still_thresholds"),
    "ld2450": ("multi_target", "zones"),
}


def make_accelerometer(board: "Board", chosen: "Settings") -> "Lis3dh | Mpu6050":
    """Return the driver of the accelerometer.

    Raises:
        OSError: the board has no such bus.
    """
    bus = board.i2c(_BUS)
    address = chosen.whole("acc_address")
    rate_hz = chosen.whole("acc_rate_hz")
    poll_ms = _POLL_MS if rate_hz == 100 else _SLOW_POLL_MS
    if chosen.text("accelerometer") == setting_names.MPU6050:
        from firmware.drivers.mpu6050 import Mpu6050

        address = address or setting_names.MPU6050_ADDRESSES[0]
        return Mpu6050(bus, address, rate_hz, chosen.whole("acc_range_g"), poll_ms)
    from firmware.drivers.lis3dh import Lis3dh

    return Lis3dh(bus, address or setting_names.LIS3DH_ADDRESSES[0], rate_hz, poll_ms)


def make_load(board: "Board", chosen: "Settings") -> "Nau7802 | Hx711":
    """Return the driver of the load cells.

    Raises:
        OSError: the board has no such bus or pins.
    """
    zero, kg_per_count = chosen.whole("load_zero"), chosen.number("load_kg_per_count")
    if chosen.text("load") == setting_names.HX711:
        from firmware.drivers.hx711 import Hx711

        return Hx711(board, zero, kg_per_count)
    from firmware.drivers.nau7802 import Nau7802

    return Nau7802(board, board.i2c(_BUS), chosen.whole("load_address"), zero, kg_per_count)


def make_strip(board: "Board", chosen: "Settings") -> "Ads1115":
    """Return the driver of the bed strip.

    Raises:
        OSError: the board has no such bus.
    """
    from firmware.drivers.ads1115 import Ads1115

    return Ads1115(board, board.i2c(_BUS), chosen.whole("strip_address"))


def make_contact(channel: int, board: "Board", chosen: "Settings") -> "Button | Cord":
    """Return what tells the raw state of a call contact.

    Raises:
        OSError: the board has no such input.
    """
    if channel == profile.BUTTON:
        from firmware.drivers.contact import Button

        return Button(board.pin("button"), chosen.whole("button_pressed_level"))
    from firmware.drivers.cord import Cord

    return Cord(
        board.adc("cord"),
        chosen.number("cord_short_below"),
        chosen.number("cord_pressed_below"),
        chosen.number("cord_idle_below"),
    )


def make_radar(board: "Board", chosen: "Settings", clock: "Clock", watch: "Watch") -> "Radar":
    """Return the radar of the settings, which name one.

    Raises:
        OSError: the board has no such line.
    """
    product = chosen.text("radar")
    from firmware.drivers.radar import Setup
    from firmware.drivers.radar_line import Radar

    setup = Setup(
        chosen.number("radar_height_m"),
        chosen.whole("radar_sensitivity"),
        chosen.number("radar_range_m"),
        chosen.text("radar_watches") == "sleep",
    )
    module: "Module"
    if product in setting_names.HILINK_RADARS:
        from firmware.drivers import radar_hilink

        _forget_other_hilink(product)
        module = radar_hilink.HiLinkRadar(product, setup)
    elif product in setting_names.SIP_RADARS:
        from firmware.drivers import radar_sip

        radar_sip.forget_other_reports()
        module = radar_sip.SipRadar(product, setup)
    else:
        from firmware.drivers import radar_tinyframe

        radar_tinyframe.forget_other_reports(product)
        module = radar_tinyframe.TinyFrameRadar(product, setup)
    try:
        power = board.pin(_POWER)
    except OSError:
        power = None
    return Radar(module, board.uart("radar", module.baud), power, clock, watch)


def make_input(channel: int, kind: str, level: int, board: "Board", debounce_ms: int) -> "Input":
    """Return a digital input.

    Raises:
        OSError: the board has no such pin.
    """
    from firmware.drivers.inputs import Input

    return Input(channel, kind, board.pin("input_%d" % channel), level, debounce_ms)


def _forget_other_hilink(product: str) -> None:
    """Free what asks and sets what other modules have."""
    from firmware.drivers.radar_hilink import HiLinkRadar
    from protocol.sensors import hilink, hilink_commands

    for name in list(hilink_commands.COMMANDS):
        if name not in _HILINK_SENT + _HILINK_ASKED[product]:
            del hilink_commands.COMMANDS[name]
    for owner, prefix in ((hilink_commands, "encode_ld"), (HiLinkRadar, "_set_ld")):
        for name in dir(owner):
            if name.startswith(prefix) and product not in name:
                delattr(owner, name)
    if product == "ld2450":  # it has no gates
        del hilink._gate_readings  # noqa: SLF001
