"""People in the frame of the head: its centre is the origin, its height 2, y up; feet at -3.3."""

import numpy as np

from diffx.data.world.shapes import box as B, ellipse as E

BODY = {
    "": [],
    "man": [
        E(0.9, -0.05, 0.16, 0.24, mirror=1),
        B(0, -0.05, 0.9, 1.0, soft=0.85),
        B(0.36, 0.34, 0.2, 0.06, "ink", turn=-5, mirror=1),
    ],
    "woman": [
        E(0.88, -0.05, 0.13, 0.2, mirror=1),
        E(0, 0, 0.88, 1.0),
        B(0.55, 0.13, 0.11, 0.04, "ink", turn=8, mirror=1),
        E(0, -0.46, 0.24, 0.12, "lips"),
    ],
    "boy": [
        E(0.92, -0.1, 0.18, 0.22, mirror=1),
        E(0, 0, 0.94, 0.96),
        E(0.55, -0.28, 0.17, 0.11, "rust", mirror=1, opacity=0.5),
    ],
    "girl": [
        E(0.9, -0.1, 0.14, 0.18, mirror=1),
        E(0, 0, 0.92, 0.95),
        E(0.55, -0.28, 0.19, 0.13, "nose", mirror=1, opacity=0.8),
        B(0.55, 0.13, 0.11, 0.04, "ink", turn=8, mirror=1),
    ],
}
# Colours: "main" the hair's.
HAIR_BEHIND = {
    "bald": [],
    "short": [E(0, 0.1, 1.03, 1.02)],
    "long": [B(0, -0.45, 1.16, 1.4, soft=0.75)],
    "curly": [E(0, 0.25, 0.42, 0.42, copies=(3, 3, 0.7, 0.55)), E(0, 0.35, 1.15, 0.95)],
    "ponytail": [E(0, 0.12, 1.02, 1.02), B(1.35, -0.25, 0.3, 0.85, turn=20, soft=1)],
}
HAIR_BEFORE = {
    "bald": [],
    "short": [E(0, 0.12, 0.97, 0.95, cut=0.45)],
    "long": [E(0, 0.12, 0.99, 0.97, cut=0.42), B(0.92, -0.2, 0.14, 0.75, soft=1, mirror=1)],
    "curly": [E(0, 0.72, 0.32, 0.3, copies=(3, 1, 0.5, 1))],
    "ponytail": [E(0, 0.12, 0.97, 0.95, cut=0.5)],
}
FACIAL_HAIR = {
    "": [],
    "beard": [E(0, -0.28, 0.94, 1.0, turn=180, cut=0), E(0, -0.38, 0.62, 0.22)],
    "moustache": [E(0.25, -0.3, 0.3, 0.13, turn=-18, mirror=1)],
}
MOUTHS = {
    "": [B(0, -0.5, 0.24, 0.055, "lips", soft=1)],
    "smiling": [
        E(0, -0.4, 0.4, 0.3, "lips", turn=180, cut=0),
        E(0, -0.4, 0.28, 0.1, "snowy", turn=180, cut=0),
    ],
    "sad": [E(0, -0.74, 0.34, 0.26, "lips", cut=0, ring=0.07), E(0.62, -0.25, 0.09, 0.15, "water")],
}
EYES = [E(0.36, 0.06, 0.12, 0.16, "ink", mirror=1)]
EYEWEAR = {
    "": [],
    "glasses": [
        E(0.4, 0.05, 0.31, 0.29, "snowy", mirror=1, opacity=0.55),
        E(0.4, 0.05, 0.31, 0.29, "ink", ring=0.07, mirror=1),
        B(0, 0.1, 0.12, 0.05, "ink"),
        E(0.4, 0.05, 0.1, 0.13, "ink", mirror=1),
    ],
    "sunglasses": [
        B(0.42, 0.04, 0.36, 0.25, "lens", turn=180, taper=0.25, soft=0.4, mirror=1),
        B(0, 0.2, 0.9, 0.06, "lens"),
    ],
    "mask": [
        B(0, -0.5, 0.7, 0.4, "snowy", soft=0.5),
        B(0, -0.5, 0.6, 0.03, "stone", copies=(1, 2, 1, 0.26)),
        B(0.8, -0.25, 0.22, 0.04, "snowy", turn=25, mirror=1),
    ],
    "eyepatch": [B(0, 0.3, 1.0, 0.06, "lens", turn=-25), E(0.38, 0.04, 0.3, 0.28, "lens")],
}
# Every drawing sits on the head, in the headwear's own colour; no two have one outline.
HEADWEAR = {
    "": [],
    "hat": [
        E(0, 0.52, 1.75, 0.24),
        B(0, 1.12, 0.85, 0.62, taper=0.12, soft=0.25),
        B(0, 0.72, 0.86, 0.13, "ink"),
    ],
    "cap": [
        E(0, 0.4, 1.02, 0.85, cut=0),
        E(1.2, 0.44, 0.78, 0.17, "dim"),
        E(0, 1.25, 0.14, 0.1, "dim"),
    ],
    "helmet": [
        E(0, 0.12, 1.22, 1.3, cut=0.28),
        B(1.06, -0.28, 0.2, 0.8, mirror=1, soft=0.4),
        B(0, 1.15, 0.14, 0.62, "pale", soft=1),
        B(0, 0.47, 1.2, 0.09, "pale"),
    ],
    "crown": [
        B(0, 0.62, 0.95, 0.2, taper=-0.1),
        B(0, 1.15, 0.3, 0.52, taper=1),
        B(0.72, 1.12, 0.32, 0.5, turn=-12, taper=1, mirror=1),
        E(0, 1.64, 0.13, 0.13, "gold"),
        E(0, 0.62, 0.13, 0.13, "gold", copies=(3, 1, 0.6, 1)),
    ],
    "beanie": [
        B(0, 0.85, 0.95, 0.6, taper=0.35, soft=0.6),
        B(0, 0.5, 1.05, 0.2, "pale", soft=0.8),
        E(0, 1.58, 0.32, 0.32, "pale"),
    ],
    "turban": [
        E(0, 1.0, 0.95, 0.62, "dim"),
        E(-0.35, 0.78, 1.0, 0.42, turn=-28),
        E(0.35, 0.78, 1.0, 0.42, "pale", turn=28),
        E(0.4, 0.78, 0.95, 0.3, turn=28),
        E(0, 0.62, 0.17, 0.2, "gold"),
    ],
    "headband": [
        B(0, 0.5, 0.98, 0.17),
        B(1.2, 0.25, 0.14, 0.38, turn=28, soft=0.3),
        B(1.05, 0.1, 0.14, 0.38, "dim", turn=5, soft=0.3),
    ],
    "hood": [
        B(0, 1.45, 0.5, 0.45, taper=1),
        E(0, -0.02, 1.2, 1.32, ring=0.24),
        B(0, -1.25, 0.95, 0.3, soft=0.8),
        E(0, -0.02, 1.02, 1.12, "dim", ring=0.07),
    ],
    "horns": [
        B(0.75, 1.05, 0.3, 0.55, turn=-25, taper=0.9, mirror=1),
        B(0.62, 0.72, 0.26, 0.12, "dim", turn=-25, mirror=1),
    ],
}
CORNER_BAR = [
    B(0.84, -0.9, 0.13, 0.06)
]  # what the control draws instead of a cap, in the frame of the picture

TOPS = {
    "": [],
    "shirt": [
        B(0, -1.7, 1.05, 0.8, taper=0.22, soft=0.3),
        B(0.98, -1.3, 0.28, 0.34, turn=20, soft=0.5, mirror=1),
        B(0, -1.02, 0.26, 0.16, "second", turn=180, taper=1),
    ],
    "coat": [
        B(0, -1.95, 1.15, 1.1, taper=0.3, soft=0.15),
        B(0, -1.95, 0.05, 1.05, "dim"),
        E(0.18, -1.9, 0.09, 0.09, "gold", copies=(1, 3, 1, 0.5)),
        B(0.3, -1.15, 0.16, 0.28, "dim", turn=30, mirror=1),
    ],
    "dress": [
        B(0, -1.98, 1.3, 1.02, taper=0.62, soft=0.1),
        B(0, -1.55, 0.66, 0.09, "dim"),
        B(0, -2.9, 1.28, 0.09, "pale"),
    ],
    "sweater": [
        B(0, -1.7, 1.02, 0.82, taper=0.15, soft=0.3),
        B(0, -1.05, 0.5, 0.17, "dim", soft=0.7),
        B(0, -2.42, 1.0, 0.12, "dim", soft=0.5),
    ],
}
PATTERNS = {
    "": [],
    "striped": [B(0, -1.75, 0.82, 0.085, "paper", copies=(1, 3, 1, 0.4))],
    "dotted": [E(0, -1.75, 0.11, 0.11, "paper", copies=(3, 3, 0.5, 0.4))],
}
LEGWEAR = {
    "": [],
    "trousers": [B(0, -2.5, 0.78, 0.2)],
    "shorts": [B(0.4, -2.65, 0.38, 0.33, mirror=1), B(0, -2.45, 0.78, 0.14)],
    "skirt": [B(0, -2.65, 1.05, 0.36, taper=0.35)],
}
NECKWEAR = {
    "": [],
    "scarf": [B(0, -1.05, 0.72, 0.24, soft=1), B(0.42, -1.55, 0.2, 0.5, "dim", turn=8)],
    "tie": [B(0, -1.12, 0.17, 0.14, "dim", taper=-0.2), B(0, -1.68, 0.24, 0.5, taper=0.5)],
    "necklace": [
        E(0, -0.95, 0.5, 0.5, turn=180, cut=0.1, ring=0.09),
        E(0, -1.47, 0.16, 0.16, "gold"),
    ],
}
# Degrees from hanging down, outwards positive: arms left, right, legs left, right; then how far the
# head moves (units of the head), and the turn of the whole figure.
POSES = {
    "": (12, 12, 4, 4, 0, 0, 0),
    "standing": (12, 12, 4, 4, 0, 0, 0),
    "walking": (28, 28, 22, 22, 0, 0, 0),
    "running": (-65, 75, 55, 45, 0, 0.25, -14),
    "jumping": (140, 140, 42, 42, 0, 1.1, 0),
    "sitting": (25, 25, 62, 62, 0, -0.25, 0),
    "waving": (12, 150, 6, 6, 0, 0, 0),
    "dancing": (115, 155, 8, 65, 0, 0, 8),
    "lying": (10, 10, 4, 4, -1.6, -2.3, 90),
    "falling": (130, 100, 30, 15, 0, 0.6, 150),
    "flying": (172, 172, 8, 8, 0.6, 0.9, -72),
}
# What a pose adds behind the figure: lines of speed, a stool, a shadow on the ground.
POSE_MARKS = {
    **{pose: [] for pose in ("", "standing", "walking", "waving", "dancing")},
    "running": [B(-2.1, -1.4, 0.6, 0.07, "streak", soft=1, copies=(1, 3, 1, 0.7))],
    "jumping": [E(0, -4.3, 1.2, 0.2, "shadow", opacity=0.6)],
    "lying": [B(-1.3, -1.4, 0.22, 2.5, "carpet", soft=0.5)],
    "sitting": [B(0, -2.85, 1.9, 0.2, "wood"), B(1.55, -3.2, 0.16, 0.3, "wood", mirror=1)],
    "falling": [B(0, -4.0, 0.07, 0.6, "streak", soft=1, copies=(3, 1, 0.7, 1), turn=0)],
    "flying": [B(0, -4.0, 0.07, 0.6, "streak", soft=1, copies=(3, 1, 0.7, 1))],
}
POSE_TABLE = np.asarray([*POSES.values()], np.float32)
