"""Rotations as matrices and as vectors of radians."""

import numpy as np

from edge_agent.simulator.sensors.shapes import Floats


def rotations(vectors: Floats) -> Floats:
    """Return rotation matrices, shape (n, 3, 3), of vectors of radians, shape (n, 3).

    Source: Rodrigues' formula, R = I + sin(a) K + (1 - cos(a)) K^2.
    """
    angle = np.linalg.norm(vectors, axis=1)
    axis = vectors / np.maximum(angle, 1e-12)[:, None]
    cross = np.zeros((len(vectors), 3, 3))
    cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = -axis[:, 2], axis[:, 1], -axis[:, 0]
    cross[:, 1, 0], cross[:, 2, 0], cross[:, 2, 1] = axis[:, 2], -axis[:, 1], axis[:, 0]
    turned: Floats = (
        np.eye(3)
        + np.sin(angle)[:, None, None] * cross
        + (1.0 - np.cos(angle))[:, None, None] * (cross @ cross)
    )
    return turned


def rotation_vector(matrix: Floats) -> Floats:
    """Return the vector of radians of a rotation matrix, at most pi long."""
    angle = float(np.arccos(np.clip(0.5 * (np.trace(matrix) - 1.0), -1.0, 1.0)))
    skew = np.array(
        [
            matrix[2, 1] - matrix[1, 2],
            matrix[0, 2] - matrix[2, 0],
            matrix[1, 0] - matrix[0, 1],
        ]
    )
    if angle < np.pi - 1e-3:
        return skew * (0.5 * angle / max(np.sin(angle), 1e-12)) if angle > 1e-9 else np.zeros(3)
    # Half a turn: the axis is the one column of (R + I) / 2 that is long enough.
    outer = 0.5 * (matrix + np.eye(3))
    column = int(np.argmax(np.diag(outer)))
    axis: Floats = outer[:, column] / np.linalg.norm(outer[:, column])
    return angle * axis


def random_rotation(random: np.random.Generator) -> Floats:
    """Return a rotation matrix, every one as likely as the other."""
    q, r = np.linalg.qr(random.standard_normal((3, 3)))
    q *= np.sign(np.diag(r))
    if np.linalg.det(q) < 0.0:
        q[:, 0] = -q[:, 0]
    turned: Floats = q
    return turned
