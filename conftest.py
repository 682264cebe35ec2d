"""pytest looks here for options before it knows the tests: `pytest --spec-profile dev`."""

from spec_tests.instrument.plugin import *  # noqa: F403
