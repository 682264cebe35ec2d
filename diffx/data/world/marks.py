"""Marks of motion, in the frame of the moving thing, and the motions that each thing can make."""

from diffx.data.world.shapes import box as B, ellipse as E

MARKS = {
    "": [],
    "flying": [
        B(-1.4, 0.35, 0.35, 0.06, "streak", soft=1),
        B(-1.5, 0.0, 0.35, 0.06, "streak", soft=1),
        B(-1.4, -0.35, 0.35, 0.06, "streak", soft=1),
    ],
    "falling": [
        B(0.4, 1.5, 0.07, 0.4, "streak", soft=1, mirror=1),
        B(0, 1.65, 0.07, 0.4, "streak", soft=1),
    ],
    "floating": [
        E(0.55, -1.15, 0.45, 0.22, "water", cut=0, ring=0.09, mirror=1),
        E(0, -1.45, 0.45, 0.22, "water", cut=0, ring=0.09),
    ],
    "rolling": [
        B(-1.35, -0.75, 0.4, 0.06, "streak", soft=1),
        E(0, 0, 1.22, 1.22, "streak", turn=-40, cut=0.6, ring=0.08),
    ],
    "bouncing": [
        B(0.45, -1.5, 0.08, 0.45, "streak", turn=-38, soft=1, mirror=1),
        E(0, -2.0, 0.5, 0.12, "shadow"),
    ],
    "jumping": [
        E(0, -1.85, 0.75, 0.15, "shadow"),
        B(0.4, -1.35, 0.06, 0.28, "streak", soft=1, mirror=1),
    ],
    "running": [
        B(-1.4, -0.3, 0.35, 0.06, "streak", soft=1),
        E(-1.2, -0.85, 0.32, 0.2, "mist"),
        E(-1.6, -0.8, 0.2, 0.15, "mist"),
    ],
    "swimming": [
        E(0, -0.95, 1.35, 0.55, "water"),
        E(0.6, -0.72, 0.4, 0.15, "water2", cut=0, ring=0.07, mirror=1),
    ],
    "spinning": [
        E(0, 0, 1.3, 1.3, "streak", turn=40, cut=0.5, ring=0.09),
        E(0, 0, 1.3, 1.3, "streak", turn=220, cut=0.5, ring=0.09),
    ],
    "sleeping": [
        B(1.0, 1.45, 0.26, 0.07, "streak"),
        B(1.0, 0.95, 0.26, 0.07, "streak"),
        B(1.0, 1.2, 0.33, 0.07, "streak", turn=45),
    ],
}
_FOUR_LEGS = ("", "running", "jumping", "sleeping")
_AIR = ("", "flying")
_SMALL = ("", "falling", "spinning")
MOVES = {
    **dict.fromkeys(
        ("cat", "dog", "horse", "bear", "sheep", "cow", "pig", "elephant", "giraffe"), _FOUR_LEGS
    ),
    **dict.fromkeys(("rabbit", "frog", "mouse"), _FOUR_LEGS),
    **dict.fromkeys(("turtle", "snake"), ("", "sleeping", "swimming")),
    **dict.fromkeys(("fish", "whale", "crab"), ("", "swimming")),
    **dict.fromkeys(("bird", "owl"), ("", "flying", "sleeping")),
    "duck": ("", "flying", "floating", "swimming"),
    "penguin": ("", "swimming", "sleeping", "jumping"),
    **dict.fromkeys(("butterfly", "rocket", "helicopter", "plane"), _AIR),
    "boat": ("", "floating"),
    "balloon": ("", "floating", "flying"),
    "ghost": ("", "floating", "flying"),
    "kite": ("", "flying", "falling"),
    "ball": ("", "rolling", "bouncing", "falling", "spinning", "floating"),
    "apple": ("", "rolling", "falling", "bouncing"),
    **dict.fromkeys(("egg", "ring", "circle", "drum"), ("", "rolling", "falling", "spinning")),
    **dict.fromkeys(
        (
            "book",
            "key",
            "gift",
            "box",
            "heart",
            "flower",
            "bottle",
            "cup",
            "hammer",
            "diamond",
            "umbrella",
        ),
        _SMALL,
    ),
    **dict.fromkeys(
        ("square", "triangle", "arrow", "cross", "pizza", "cherry", "banana", "carrot"), _SMALL
    ),
    "clock": ("", "falling"),
    "robot": ("", "running", "jumping", "falling"),
    "snail": ("", "sleeping"),
}
