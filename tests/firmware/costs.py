"""What encoding costs against a firmware that sends lines of JSON, in the same VM."""

from tests.firmware.vm import run_script

BYTES_TIMES = 4
CHEAPER_TIMES = 10


def measure_encoding(rounds: int) -> list[dict[str, object]]:
    """Return for each kind of signal (bytes, microseconds) of one second: frames, lines, blocks."""
    return run_script("encode_cost.py", rounds)


def encoding_costs() -> list[str]:
    """Return the table as lines of text."""
    lines = [
        "| one second of | frames | a line a sample | bytes | time | a line a block | bytes | time |"
    ]
    lines.append("|" + "---|" * 8)
    for row in measure_encoding(100):
        (size, us), (wide, slow), (block, some) = row["frames"], row["lines"], row["blocks"]
        lines.append(
            f"| {row['name']} | {size} B, {us} us | {wide} B, {slow} us "
            f"| {wide / size:.1f} x | {slow / us:.0f} x | {block} B, {some} us "
            f"| {block / size:.1f} x | {some / us:.0f} x |"
        )
    return lines
