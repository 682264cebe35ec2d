"""Backgrounds in the frame of the picture, [-1, 1]^2: places, skies, weathers, seasons, and plants.

Plants stand on y = -1.
"""

from diffx.data.world.shapes import box as B, ellipse as E

GROUND = -0.45  # where sky and ground meet, in units of the picture

PLACES = {
    "wall": [],
    "room": [
        B(0, -0.78, 1.1, 0.3, "floor"),
        B(0, -0.46, 1.1, 0.04, "paper"),
        B(0.6, 0.42, 0.26, 0.32, "paper", mirror=1),
        B(0.6, 0.42, 0.2, 0.26, "skyblue", mirror=1),
        B(0.6, 0.42, 0.025, 0.26, "paper", mirror=1),
        E(0, -0.86, 0.8, 0.12, "carpet"),
    ],
    "desert": [
        E(-0.5, -0.62, 1.0, 0.38, "sand2"),
        E(0.7, -0.7, 0.9, 0.34, "sand2"),
        B(0, -0.84, 1.1, 0.36, "sand"),
        E(0.1, -0.62, 0.95, 0.16, "sand"),
        B(0, -0.72, 0.16, 0.018, "sand2", copies=(3, 3, 0.62, 0.14), soft=1),
    ],
    "forest": [
        B(0, -0.8, 1.1, 0.4, "moss"),
        B(0, 0, 0.06, 0.55, "bark", copies=(5, 1, 0.46, 1)),
        B(0, 0.42, 0.3, 0.75, "needle", taper=1, copies=(5, 1, 0.46, 1)),
        B(0, 0.1, 0.34, 0.55, "moss", taper=1, copies=(6, 1, 0.42, 1)),
    ],
    "beach": [
        B(0, -0.3, 1.1, 0.3, "water"),
        B(0, -0.18, 0.16, 0.02, "water2", copies=(4, 2, 0.6, 0.14), soft=1),
        E(0.15, -0.75, 1.5, 0.4, "paper"),
        E(0.15, -0.81, 1.5, 0.41, "sand"),
        E(0, -0.82, 0.035, 0.03, "sand2", copies=(4, 2, 0.5, 0.18)),
    ],
    "sea": [
        B(0, -0.58, 1.1, 0.6, "water"),
        E(0, -0.45, 0.17, 0.07, "water2", cut=0, ring=0.018, copies=(5, 4, 0.48, 0.26)),
    ],
    "city": [
        B(0, -0.8, 1.1, 0.4, "road"),
        B(0, -0.2, 0.2, 0.75, "stone", copies=(3, 1, 0.8, 1)),
        B(0, -0.2, 0.2, 0.45, "stone2", copies=(4, 1, 0.62, 1)),
        B(0, 0, 0.04, 0.05, "gold", copies=(12, 3, 0.17, 0.2)),
        B(0, -0.48, 1.1, 0.05, "mist"),
        B(0, -0.78, 0.13, 0.025, "paper", copies=(4, 1, 0.5, 1)),
    ],
    "mountain": [
        B(-0.45, -0.05, 0.85, 0.65, "stone", taper=1),
        B(-0.45, 0.43, 0.22, 0.17, "snowy", taper=1),
        B(0.5, 0.05, 0.85, 0.75, "stone2", taper=1),
        B(0.5, 0.6, 0.227, 0.2, "snowy", taper=1),
        B(0, -0.82, 1.1, 0.34, "grass2"),
    ],
    "farm": [
        B(0, -0.8, 1.1, 0.36, "wheat"),
        B(0, -0.86, 0.04, 0.3, "sand2", copies=(8, 1, 0.28, 1)),
        B(0.62, -0.15, 0.3, 0.3, "barn"),
        B(0.62, 0.28, 0.36, 0.16, "ink", taper=0.6),
        B(0.62, -0.24, 0.13, 0.2, "paper"),
        B(-0.2, -0.42, 0.03, 0.13, "paper", copies=(7, 1, 0.22, 1)),
    ],
    "meadow": [
        E(-0.6, -0.62, 0.95, 0.42, "grass2"),
        E(0.6, -0.7, 1.0, 0.46, "grass"),
        B(0, -0.85, 1.1, 0.34, "grass"),
        B(0, -0.75, 0.022, 0.055, "grass2", taper=1, copies=(7, 2, 0.3, 0.24)),
    ],
    "lake": [
        B(-0.4, -0.2, 0.8, 0.35, "moss", taper=1),
        B(0, -0.75, 1.1, 0.4, "grass2"),
        E(0.1, -0.68, 0.92, 0.24, "water"),
        B(0.1, -0.68, 0.14, 0.018, "water2", copies=(3, 2, 0.5, 0.14), soft=1),
    ],
    "space": [
        E(0, 0, 0.018, 0.018, "snowy", copies=(7, 6, 0.31, 0.36)),
        E(-0.62, 0.55, 0.2, 0.2, "sand2"),
        E(-0.62, 0.55, 0.36, 0.09, "paper", turn=18, ring=0.03),
        E(0, -1.15, 1.7, 0.55, "stone2"),
        E(-0.4, -0.85, 0.16, 0.05, "stone"),
        E(0.45, -0.78, 0.2, 0.06, "stone"),
    ],
    "arctic": [
        B(-0.55, -0.3, 0.4, 0.35, "ice", taper=0.8),
        B(0, -0.8, 1.1, 0.38, "snowy"),
        E(0.62, -0.5, 0.36, 0.46, "ice", cut=0),
        E(0.62, -0.5, 0.34, 0.44, "water2", cut=0, ring=0.02),
        B(0.62, -0.3, 0.36, 0.018, "water2"),
        E(0.62, -0.5, 0.13, 0.2, "ink", cut=0),
    ],
}
# Colours above and at the horizon, by place; day takes these, dusk and night the next two.
INDOOR_LIGHT = ("e9dfcf", "dccdb6")
DAY, DUSK, NIGHT, DARK_SPACE = (
    ("6fb4f2", "cfe8fb"),
    ("6a4c93", "ff9e5e"),
    ("0b1030", "2a3568"),
    ("07060f", "1b1236"),
)

SKY = {
    "": [],
    "sun": [
        B(0, 0, 0.05, 1.0, "gold"),
        B(0, 0, 1.0, 0.05, "gold"),
        B(0, 0, 0.05, 0.95, "gold", turn=45),
        B(0, 0, 0.05, 0.95, "gold", turn=135),
        E(0, 0, 0.66, 0.66, "gold"),
    ],
    "moon": [
        E(0, 0, 0.8, 0.8, "paper"),
        E(0.2, 0.22, 0.17, 0.15, "sand2"),
        E(-0.3, -0.2, 0.14, 0.13, "sand2"),
    ],
    "stars": [
        B(0, 0.1, 0.32, 0.28, "gold", taper=1, copies=(3, 2, 1.3, 1.1)),
        B(0, -0.1, 0.32, 0.28, "gold", turn=180, taper=1, copies=(3, 2, 1.3, 1.1)),
    ],
    "cloud": [
        E(-0.5, -0.1, 0.5, 0.36, "mist"),
        E(0.5, -0.12, 0.5, 0.34, "mist"),
        E(0, 0.15, 0.6, 0.5, "mist"),
        B(0, -0.3, 0.85, 0.16, "mist", soft=1),
    ],
}
WEATHER_BEHIND = {
    "": [],
    "rain": [],
    "snow": [],
    "rainbow": [
        E(0, -0.45, 1.0, 1.15, "red", cut=0, ring=0.055),
        E(0, -0.45, 0.9, 1.05, "gold", cut=0, ring=0.055),
        E(0, -0.45, 0.8, 0.95, "leaf2", cut=0, ring=0.055),
        E(0, -0.45, 0.7, 0.85, "purple", cut=0, ring=0.055),
    ],
    "lightning": [
        E(-0.1, 0.85, 0.5, 0.22, "stone2"),
        B(0.02, 0.5, 0.08, 0.3, "gold", turn=-22, taper=-0.4),
        B(0.0, 0.2, 0.16, 0.045, "gold", turn=-15),
        B(-0.02, -0.1, 0.1, 0.34, "gold", turn=158, taper=1),
    ],
    "fog": [],
}
WEATHER_BEFORE = {
    "": [],
    "rain": [B(0, 0, 0.02, 0.1, "rain", turn=-15, copies=(7, 6, 0.33, 0.36))],
    "snow": [E(0, 0, 0.045, 0.045, "snowy", copies=(7, 6, 0.33, 0.36))],
    "rainbow": [],
    "lightning": [],
    "fog": [
        B(0, 0.0, 1.2, 0.1, "mist", soft=1, copies=(1, 3, 1, 0.7), opacity=0.5),
        B(0, 0, 1.1, 1.1, "mist", opacity=0.3),
    ],
}
SEASONS = {
    "": [],
    "spring": [
        B(0, -0.72, 0.016, 0.07, "leaf", copies=(7, 3, 0.3, 0.17)),
        E(0, -0.66, 0.05, 0.045, "rose", copies=(7, 3, 0.3, 0.17)),
    ],
    "summer": [
        E(0, 1.15, 0.75, 0.35, "gold", opacity=0.6),
        E(0, 1.15, 1.5, 0.62, "gold", opacity=0.35),
        E(0, -0.72, 0.06, 0.055, "gold", copies=(5, 2, 0.42, 0.24)),
        E(0, -0.72, 0.028, 0.026, "wood", copies=(5, 2, 0.42, 0.24)),
    ],
    "autumn": [
        E(0, -0.74, 0.075, 0.04, "rust", turn=25, copies=(7, 3, 0.3, 0.16)),
        E(0, 0.45, 0.055, 0.03, "rust", turn=-35, copies=(5, 2, 0.45, 0.5)),
    ],
    "winter": [
        B(0, -0.86, 1.2, 0.3, "snowy"),
        E(0, -0.58, 0.26, 0.1, "snowy", copies=(5, 1, 0.45, 1)),
    ],
}
PLANTS = {
    "": [],
    "tree": [
        B(0, -0.6, 0.14, 0.42, "bark", taper=0.2),
        E(0.4, 0.05, 0.46, 0.42, "second", mirror=1),
        E(0, 0.4, 0.56, 0.5, "second"),
        E(0, 0.1, 0.5, 0.4, "second"),
        E(-0.15, 0.5, 0.22, 0.17, "pale", turn=20),
    ],
    "pine": [
        B(0, -0.82, 0.11, 0.2, "bark"),
        B(0, -0.3, 0.68, 0.4, "needle", taper=1),
        B(0, 0.12, 0.55, 0.38, "needle", taper=1),
        B(0, 0.55, 0.4, 0.4, "needle", taper=1),
        B(0, -0.64, 0.6, 0.05, "second"),
    ],
    "palm": [
        B(0.06, -0.35, 0.1, 0.66, "wood", turn=-6, taper=0.3),
        E(0.38, 0.3, 0.48, 0.36, "leaf", cut=0, ring=0.1, mirror=1),
        E(0.3, 0.55, 0.5, 0.14, "leaf2", turn=25, mirror=1),
        E(0.3, 0.42, 0.5, 0.13, "leaf", turn=-8, mirror=1),
        E(0.1, 0.28, 0.1, 0.1, "bark", mirror=1),
    ],
    "cactus": [
        B(0, -0.1, 0.22, 0.9, "leaf", soft=1),
        B(0.42, -0.2, 0.3, 0.14, "leaf", soft=1, mirror=1),
        B(0.62, 0.12, 0.14, 0.42, "leaf", soft=1, mirror=1),
        B(0, -0.1, 0.03, 0.75, "needle", copies=(2, 1, 0.18, 1)),
        E(0, 0.84, 0.12, 0.1, "rose"),
    ],
    "bush": [
        E(0.5, -0.62, 0.46, 0.4, "moss", mirror=1),
        E(0, -0.45, 0.56, 0.52, "leaf"),
        E(0.02, -0.5, 0.07, 0.07, "red", copies=(4, 2, 0.3, 0.34)),
    ],
}
FOLIAGE = {"": "leaf2", "spring": "rose", "summer": "leaf", "autumn": "rust", "winter": "snowy"}
