"""The data sets that need no download."""

import builtins

import numpy as np
import pytest

from diffx.data import digits, spiral, spiral_classes


def test_the_spiral_is_the_lectures():
    points = np.asarray(spiral())
    angle = np.pi / 2 + np.arange(100) / 99 * 5 * np.pi
    swissroll = np.stack([angle * np.cos(angle), angle * np.sin(angle)], axis=1) / (5 * np.pi)
    np.testing.assert_allclose(points, swissroll / 1.1, atol=1e-7)
    assert np.hypot(*points[-1]) == pytest.approx(1, abs=1e-7)


def test_the_outer_end_of_the_spiral_lies_at_the_given_radius():
    np.testing.assert_allclose(np.asarray(spiral(7, radius=3.0)), 3 * np.asarray(spiral(7)), rtol=1e-6)


def test_the_spiral_can_have_a_given_deviation():
    points = np.asarray(spiral(last=7 * np.pi / 2, std=1.0), np.float64)
    centred = points - points.mean(0)
    assert points.std() == pytest.approx(1, abs=1e-6)
    assert (points**2).mean() - points.mean() ** 2 == pytest.approx(1, abs=1e-6)
    assert np.linalg.norm(centred, axis=1).min() == pytest.approx(0.3707, abs=5e-5), "the figure of claim PTS-05"


def test_the_three_classes_are_the_lectures():
    """MultiClassSwissroll(pi/2, 5 pi, 100, num_classes=3) of its code, in plain numpy."""
    points, labels = spiral_classes()
    t = np.pi / 2 + np.linspace(0, 1, 100) * 5 * np.pi
    classes = [min(int((value - np.pi / 2) / (5 * np.pi - np.pi / 2) * 3), 2) for value in t]
    assert labels.tolist() == classes and labels.dtype == np.int32
    assert np.bincount(labels).tolist() == [30, 30, 40]
    np.testing.assert_array_equal(points, spiral())


def test_the_classes_are_stretches_from_the_inside_outwards():
    points, labels = spiral_classes(400, radius=2.0)
    radius = np.hypot(*np.asarray(points).T)
    assert radius[-1] == pytest.approx(2, rel=1e-6)
    ends = [(radius[labels == k].min(), radius[labels == k].max()) for k in range(3)]
    np.testing.assert_allclose(ends, [(2 / 11, 8 / 11), (8 / 11, 14 / 11), (14 / 11, 2)], atol=1e-2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 1}, "n must be at least 2"),
        ({"n": 10, "first": 3.0, "last": 2.0}, "first < last"),
        ({"n": 10, "first": -1.0}, "first=-1.0"),
        ({"n": 10, "radius": 0.0}, "radius must be positive"),
        ({"n": 10, "std": -1.0}, "std must be positive"),
    ],
)
def test_the_spiral_refuses_what_it_cannot_draw(arguments, words):
    with pytest.raises(ValueError, match=words):
        spiral(**arguments)


@pytest.mark.parametrize(
    ("arguments", "words"), [({"n": 1}, "n must be at least 2"), ({"radius": 0.0}, "radius must be positive")]
)
def test_the_labelled_spiral_refuses_the_same(arguments, words):
    with pytest.raises(ValueError, match=words):
        spiral_classes(**arguments)


def test_digits_are_pictures_of_ink_between_minus_one_and_one():
    pytest.importorskip("sklearn", reason="the digits come with the extra 'demos'")
    images, labels = digits()
    assert images.shape == (1797, 8, 8) and labels.shape == (1797,)
    assert images.dtype == np.float32 and labels.dtype == np.int32
    assert float(images.min()) == -1 and float(images.max()) == 1
    assert np.array_equal(np.asarray(images) * 8 % 1, np.zeros(images.shape)), "ink counts in steps of 1/8"
    assert np.array_equal(np.unique(labels), np.arange(10))
    border = np.asarray(images)[:, :, 0].mean()
    assert border < -0.99, "paper is -1, and the first column is nearly always paper"


def test_digits_without_scikit_learn_name_the_extra(monkeypatch):
    real = builtins.__import__

    def absent(name, *arguments, **keywords):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match=r"diffx-reference\[demos\]"):
        digits()
