"""The training loop, and the network that the demos train."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax.tree_util import Partial

import diffx
from diffx import training as train_module
from diffx.nn import LabelledTimeMLP, TimeMLP, noise_features
from diffx.training import train


def a_key():
    return jax.random.key(0)


def quadratic(params, key):
    return ((params["a"] - 3.0) ** 2) / 2 + 0 * jax.random.uniform(key)


def start():
    return {"a": jnp.asarray(1.0)}


def test_gradient_descent_on_a_quadratic_is_a_geometric_sequence():
    trained = train(quadratic, start(), optax.sgd(0.1), steps=30, key=a_key())
    path = 3 - 2 * 0.9 ** np.arange(31)
    np.testing.assert_allclose(trained.losses, (path[:-1] - 3) ** 2 / 2, rtol=1e-12)
    np.testing.assert_allclose(trained.params["a"], path[-1], rtol=1e-14)
    assert trained.ema is trained.params


def test_the_average_is_the_recursion_in_numpy():
    trained = train(quadratic, start(), optax.sgd(0.1), steps=30, key=a_key(), ema=0.8)
    average = 1.0
    for value in (3 - 2 * 0.9 ** np.arange(31))[1:]:
        average = 0.8 * average + 0.2 * value
    np.testing.assert_allclose(trained.ema["a"], average, rtol=1e-13)


def test_the_average_with_decay_zero_is_the_last_parameters():
    trained = train(quadratic, start(), optax.sgd(0.1), steps=3, key=a_key(), ema=0.0)
    assert trained.ema["a"] == trained.params["a"]


def noisy(params, key):
    return params["a"] * jax.random.normal(key)


def test_step_i_draws_from_the_ith_key():
    trained = train(noisy, start(), optax.sgd(0.0), steps=4, key=a_key())
    drawn = [float(jax.random.normal(jax.random.fold_in(a_key(), i))) for i in range(4)]
    np.testing.assert_allclose(trained.losses, drawn, rtol=1e-12)


def test_chunks_do_not_show_in_the_result(monkeypatch):
    whole = train(noisy, start(), optax.adam(0.1), steps=10, key=a_key(), ema=0.5)
    monkeypatch.setattr(train_module, "CHUNK", 4)
    parts = train(noisy, start(), optax.adam(0.1), steps=10, key=a_key(), ema=0.5)
    np.testing.assert_allclose(parts.losses, whole.losses, rtol=1e-12)
    np.testing.assert_allclose(parts.ema["a"], whole.ema["a"], rtol=1e-12)


T, VARIANCE = 0.3, 0.7


def expected_eps_loss(nodes, weights, params, key):
    """E of the coded loss for eps = gain x on N(0, 0.7) data at one time, by Gauss-Hermite: no
    sampling error.
    """
    process, x0, eps = diffx.VP(), jnp.sqrt(VARIANCE) * nodes[:, None], nodes[None, :]
    predict = lambda x, t: params["gain"] * x
    loss = lambda x0, eps: diffx.losses.eps_loss(process, predict, x0[None], eps[None], T)
    pairs = jax.vmap(jax.vmap(loss))(*jnp.broadcast_arrays(x0, eps))
    return (pairs * weights[:, None] * weights[None, :]).sum()


def test_training_reaches_the_optimal_loss_and_no_less():
    nodes, weights = np.polynomial.hermite_e.hermegauss(4)
    loss = Partial(expected_eps_loss, jnp.asarray(nodes), jnp.asarray(weights / weights.sum()))
    trained = train(loss, {"gain": jnp.asarray(0.0)}, optax.sgd(0.3), steps=120, key=a_key())
    law = diffx.GaussianLaw(jnp.zeros(1), jnp.asarray(VARIANCE))
    best = float(diffx.losses.optimal_eps_loss(diffx.VP(), law, T))
    np.testing.assert_allclose(trained.losses[-1], best, rtol=1e-12)
    assert (trained.losses >= best * (1 - 1e-13)).all()


CAP = 4.0


def capped(cap, params):
    return {"a": jnp.minimum(params["a"], cap)}


def capped_inside(params, key):
    return quadratic(capped(CAP, params), key)


def test_a_number_above_its_cap_comes_back_and_moves_again():
    above = {"a": jnp.asarray(9.0)}
    trained = train(
        quadratic, above, optax.sgd(0.1), steps=40, key=a_key(), project=Partial(capped, CAP)
    )
    assert trained.losses[0] == 18 and trained.losses[1] == 0.5, (
        "one step of 0.6 from 9, then the cap"
    )
    np.testing.assert_allclose(trained.params["a"], 3 + 0.9**39, rtol=1e-12)
    trapped = train(capped_inside, above, optax.sgd(0.1), steps=40, key=a_key())
    assert trapped.params["a"] == 9, "the clamp inside the loss has no gradient above the cap"


def test_the_average_is_of_projected_parameters():
    trained = train(
        quadratic,
        {"a": jnp.asarray(9.0)},
        optax.sgd(0.0),
        steps=2,
        key=a_key(),
        ema=0.5,
        project=halved,
    )
    assert (
        trained.params["a"] == 2.25 and trained.ema["a"] == 0.5 * (0.5 * 9 + 0.5 * 4.5) + 0.5 * 2.25
    )


def halved(params):
    return {"a": params["a"] / 2}


def test_a_step_compiles_once_whatever_its_numbers():
    traces = []

    def counted(target, params, key):
        traces.append(1)
        return ((params["log_scale"] - target) ** 2).sum()

    def clamp(largest, params):
        return {"log_scale": jnp.minimum(params["log_scale"], largest)}

    optimizer = optax.sgd(0.1)
    for start_at, target, largest, decay, seed in (
        (2.0, 1.0, 4.6, 0.9, 0),
        (jnp.float32(3.0), 2.0, 4.0, 0.99, 1),
    ):
        params = {"log_scale": jnp.asarray(start_at, jnp.float32)}
        run = Partial(counted, jnp.asarray(target)), params, optimizer
        train(
            *run,
            steps=5,
            key=jax.random.key(seed),
            ema=decay,
            project=Partial(clamp, jnp.asarray(largest)),
        )
    assert len(traces) == 3, "one trace by value_and_grad, and one shape check for each call"


def falls_to_zero(params, key):
    # NaN at a = 0, which steps of 1 reach from 3 at step 3
    return params["a"] + 0 * jnp.log(params["a"])


def test_a_loss_that_is_not_finite_is_reported_with_its_step():
    with pytest.raises(FloatingPointError, match=r"nan at step 3.*learning rate"):
        train(falls_to_zero, {"a": jnp.asarray(3.0)}, optax.sgd(1.0), steps=6, key=a_key())


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"steps": 0}, ValueError, "steps must be at least 1"),
        ({"steps": 2.5}, TypeError, "steps must be a Python integer"),
        ({"ema": 1.0}, ValueError, r"decay in \[0, 1\)"),
        ({"params": {"a": np.asarray(1)}}, TypeError, r"params\['a'\] must be an array of floats"),
        ({"params": {"a": np.asarray(np.nan)}}, ValueError, r"params\['a'\] must be finite"),
        ({"params": {}}, ValueError, "at least one array"),
        (
            {"loss": lambda params, key: jnp.zeros(2)},
            ValueError,
            r"must return one number, got shape \(2,\)",
        ),
        ({"project": 3}, TypeError, r"project \(params\) -> params must be callable"),
        (
            {"project": lambda params: {"a": params["a"][None]}},
            ValueError,
            "the same structure, shapes and dtypes",
        ),
        (
            {"project": lambda params: [params["a"]]},
            ValueError,
            "the same structure, shapes and dtypes",
        ),
        (
            {"project": lambda params: {"a": params["a"].astype(np.float32)}},
            ValueError,
            "same structure, shapes and dtypes",
        ),
        (
            {"loss": 3},
            TypeError,
            "a loss (params, key) -> number must be callable".replace("(", r"\(").replace(
                ")", r"\)"
            ),
        ),
    ],
)
def test_bad_arguments_are_refused_at_the_door(change, error, words):
    arguments = {
        "loss": quadratic,
        "params": start(),
        "optimizer": optax.sgd(0.1),
        "steps": 2,
        "key": a_key(),
    } | change
    loss, params, optimizer = (arguments.pop(name) for name in ("loss", "params", "optimizer"))
    with pytest.raises(error, match=words):
        train(loss, params, optimizer, **arguments)


def test_progress_is_a_line_on_stderr_only_where_wanted(capsys):
    train(quadratic, start(), optax.sgd(0.1), steps=2, key=a_key())
    assert capsys.readouterr() == ("", "")
    train(quadratic, start(), optax.sgd(0.1), steps=2, key=a_key(), progress=True)
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("\r2/2 steps, loss ") and err.endswith("\n")


def test_the_network_is_the_lectures():
    graph, params = nnx.split(TimeMLP(rngs=nnx.Rngs(0)))
    shapes = [leaf.shape for leaf in jax.tree_util.tree_leaves(params) if leaf.ndim == 2]
    assert shapes == [(4, 16), (16, 128), (128, 128), (128, 128), (128, 128), (128, 16), (16, 2)]
    assert sum(leaf.size for leaf in jax.tree_util.tree_leaves(params)) == 53_890
    x = jnp.ones((3, 2), jnp.float32)
    network = nnx.merge(graph, params)
    assert network(x, 0.5).shape == (3, 2) and network(x, 0.5).dtype == x.dtype
    assert not jnp.allclose(network(x, 0.5), network(x, 5.0)), "the noise level reaches the network"


def test_the_noise_features_lie_on_the_unit_circle_at_half_the_logarithm():
    np.testing.assert_allclose(
        noise_features(0.02), [np.sin(np.log(0.02) / 2), np.cos(np.log(0.02) / 2)], rtol=1e-12
    )


@pytest.mark.parametrize(
    ("x", "sigma", "words"), [((3,), (), "event of shape"), ((4, 2), (4,), "one noise level")]
)
def test_the_network_refuses_other_shapes(x, sigma, words):
    with pytest.raises(ValueError, match=words):
        TimeMLP(rngs=nnx.Rngs(0))(jnp.ones(x), jnp.ones(sigma))


def labelled():
    return LabelledTimeMLP(classes=3, hidden=(8,), rngs=nnx.Rngs(0))


def test_the_labelled_network_adds_four_learned_numbers_for_a_label():
    params = nnx.state(LabelledTimeMLP(classes=3, rngs=nnx.Rngs(0)))
    assert sum(leaf.size for leaf in jax.tree_util.tree_leaves(params)) == 53_890 + 4 * 16 + 4 * 4
    assert params["embedding"]["embedding"][...].shape == (4, 4)
    table = nnx.state(LabelledTimeMLP(classes=2000, hidden=(8,), rngs=nnx.Rngs(0)))["embedding"][
        "embedding"
    ][...]
    assert float(table.std()) == pytest.approx(1, abs=0.03), "as in torch: standard normal"


# An accelerator's default is TF32: a batch and its rows would have answers that differ by 4e-4.
@jax.default_matmul_precision("highest")
def test_a_label_reaches_the_network_as_its_row_of_the_embedding():
    network, x = labelled(), jnp.ones((3, 2), jnp.float32)
    answers = [network(x, 0.5, label) for label in range(4)]
    assert network.null == 3 and answers[0].shape == (3, 2) and answers[0].dtype == x.dtype
    assert not any(jnp.allclose(a, b) for i, a in enumerate(answers) for b in answers[:i])
    assert not jnp.allclose(answers[0], network(x, 5.0, 0)), "the noise level reaches the network"
    table = network.embedding.embedding[...]
    network.embedding.embedding[...] = table[jnp.asarray([1, 0, 2, 3])]
    np.testing.assert_array_equal(network(x, 0.5, 0), answers[1])
    several = jax.vmap(network, (None, None, 0))(x, 0.5, jnp.asarray([1, 3]))
    np.testing.assert_allclose(several, jnp.stack([answers[0], answers[3]]), atol=1e-6)


def test_a_traced_label_that_does_not_exist_answers_nan():
    network = labelled()
    both = jax.vmap(lambda label: network(jnp.ones(2, jnp.float32), 0.5, label))(
        jnp.asarray([-1, 4])
    )
    assert jnp.isnan(both).all()


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (4, "label must lie in 0 to 3, where 3 means no label, got 4"),
        (-1, "0 to 3"),
        (1.0, "one integer, got shape .* of float"),
        (np.zeros(2, int), r"one integer, got shape \(2,\).*jax.vmap"),
    ],
)
def test_the_labelled_network_refuses_other_labels(label, words):
    with pytest.raises(ValueError, match=words):
        labelled()(jnp.ones(2), 0.5, label)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [({"classes": 0}, "classes must be"), ({"classes": 3, "features": 0}, "features must be")],
)
def test_the_labelled_network_needs_labels_and_features(sizes, words):
    with pytest.raises(ValueError, match=words):
        LabelledTimeMLP(**sizes, rngs=nnx.Rngs(0))
