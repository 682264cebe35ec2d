"""The families of claims, in the order of the theory; read by the tests and by the pages, so that
it imports nothing else.
"""

import re

FAMILIES = {
    "FWD": "forward processes",
    "DEN": "scores, denoisers, predictions, losses",
    "REV": "the way back: reverse SDE, probability flow, samplers",
    "LIK": "likelihood, entropy, information",
    "FM": "flow matching",
    "CLP": "contrastive losses of images and texts",
    "CON": "concepts: the algebra of embeddings",
    "CFG": "guidance",
    "BRN": "Brownian motion, time reversal, bridges",
    "PTS": "finite sets of points",
    "NUM": "numerics: what float32 keeps",
    "API": "how the library behaves in JAX",
    "LIT": "numbers from the literature",
    "KIT": "the conformance kit: what it says about other people's code is true",
}
ID = re.compile(rf"(?:{'|'.join(FAMILIES)})-\d\d")
WORD = re.compile(rf"\b{ID.pattern}\b")  # an id in running text
