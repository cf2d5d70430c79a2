import numpy as np

from gan_jax.data import order


def test_every_epoch_is_a_permutation_whatever_the_batch_size():
    size = 10
    for batch in (3, 10, 25):
        sequence = np.concatenate(
            [order.examples(0, size, i * batch, (i + 1) * batch) for i in range(6)]
        )
        for epoch in range(len(sequence) // size):
            seen = sequence[epoch * size : (epoch + 1) * size]
            assert sorted(seen) == list(range(size))


def test_the_order_is_a_function_of_the_seed_and_the_epoch():
    first = order.examples(0, 100, 0, 100)
    order.examples(5, 100, 0, 1000)  # other orders in between change nothing
    assert np.array_equal(first, order.examples(0, 100, 0, 100))
    assert not np.array_equal(first, order.examples(0, 100, 100, 200))
    assert not np.array_equal(first, order.examples(1, 100, 0, 100))
    assert first.dtype == np.int32


def test_any_stretch_is_the_same_as_part_of_a_longer_one():
    whole = order.examples(2, 7, 0, 50)
    for begin, end in ((0, 1), (6, 8), (13, 41), (49, 50)):
        assert np.array_equal(order.examples(2, 7, begin, end), whole[begin:end])
