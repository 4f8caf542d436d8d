import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import dpap
from dpap.data import CropFlip, Split, load
from dpap.data.recordings import HeldRecordings
from dpap.encoders import Direct, Frames, Latency, Rate
from dpap.errors import DataError
from dpap.training import TrainingConfig, accuracy, train

quick = settings(max_examples=15)

EVENT = [("x", int), ("y", int), ("t", int), ("p", int)]


def image_split(count=20, encoder=None, **options):
    """Images up to 255 in three classes, no two alike."""
    images = np.random.default_rng(0).integers(0, 256, (count, 1, 6, 6), np.uint8)
    labels = np.arange(count) % 3
    if encoder is None:
        return Split(images, labels, 255, **options)
    return Split(images, labels, encoder.largest(255), 5, encoder, 255, **options)


def event_split(count=9, steps=4):
    rng = np.random.default_rng(1)
    recordings = []
    for _ in range(count):
        events = np.zeros(60, EVENT)
        events["x"], events["y"], events["p"] = (
            rng.integers(0, 6, 60),
            rng.integers(0, 6, 60),
            rng.integers(0, 2, 60),
        )
        events["t"] = np.sort(rng.integers(0, 5000, 60))
        recordings.append(events)
    return Split(HeldRecordings(recordings, (2, 6, 6)), np.arange(count) % 3, 1, steps, Frames())


def test_images_without_an_encoder_are_given_as_they_are():
    split = image_split()
    assert split.static
    assert split.input_shape == (1, 6, 6)
    assert np.array_equal(split.batch([3, 1]), split.inputs[[3, 1]])
    assert split.over_time(7, 2).shape == (2, 7, 1, 6, 6)
    assert np.shares_memory(split.over_time(7), split.inputs)


def test_an_array_may_have_an_axis_of_time():
    inputs = np.random.default_rng(0).integers(0, 2, (4, 1, 6, 6, 5), np.uint8)
    split = Split(inputs, np.arange(4), 1, time_steps=5)
    assert not split.static
    assert split.input_shape == (1, 6, 6)
    assert np.array_equal(split.over_time(5, 2)[:, 3], inputs[:2, ..., 3])
    with pytest.raises(DataError, match="encoded over 5 steps, not 6"):
        split.over_time(6)


@pytest.mark.parametrize("encoder", [Direct(input_max=15), Rate(), Latency()])
def test_images_are_encoded_batch_by_batch(encoder):
    split = image_split(encoder=encoder)
    batch = split.batch([4, 7])
    assert batch.shape == (2, 1, 6, 6) if split.static else (2, 1, 6, 6, 5)
    assert split.input_shape == (1, 6, 6)
    assert 0 < batch.max() <= split.input_max
    over_time = np.broadcast_to(batch[..., None], (*batch.shape, 5)) if split.static else batch
    assert np.array_equal(split.over_time(5)[[4, 7]], np.moveaxis(over_time, -1, 1))


def test_recordings_are_encoded_batch_by_batch():
    split = event_split()
    assert split.input_shape == (2, 6, 6)
    batch = split.batch([5, 0])
    assert batch.shape == (2, 2, 6, 6, 4)
    assert np.array_equal(batch[1:], split.batch([0]))
    assert split.over_time(4, 3).shape == (3, 4, 2, 6, 6)
    assert np.array_equal(split.over_time(4, 6)[5], np.moveaxis(batch[0], -1, 0))


@quick
@given(st.permutations(range(8)), st.integers(0, 5), st.sampled_from([None, 1, 2]))
def test_a_sample_is_encoded_alike_in_every_batch(order, seed, epoch):
    split = image_split(encoder=Rate(), seed=seed, augmentation=CropFlip(padding=2))
    together = split.batch(np.array(order), epoch)
    for place, index in enumerate(order):
        assert np.array_equal(split.batch([index], epoch)[0], together[place])


def test_epochs_and_seeds_draw_anew_and_evaluation_does_not():
    split = image_split(encoder=Rate())
    first = split.batch([0, 1], 1)
    assert not np.array_equal(first, split.batch([0, 1], 2))
    assert not np.array_equal(first, image_split(encoder=Rate(), seed=1).batch([0, 1], 1))
    assert np.array_equal(split.batch([0, 1]), split.batch([0, 1]))


def test_only_training_is_augmented():
    split = image_split(augmentation=CropFlip())
    assert np.array_equal(split.batch([0]), split.inputs[:1])
    assert not np.array_equal(split.batch(np.arange(20), 1), split.inputs)


def test_crop_and_flip_by_hand():
    image = np.arange(1, 10, dtype=np.uint8).reshape(1, 1, 3, 3)
    padded = np.pad(image[0, 0], 1)
    crops = [padded[top : top + 3, left : left + 3] for top in range(3) for left in range(3)]
    expected = {crop.tobytes() for crop in crops} | {crop[:, ::-1].tobytes() for crop in crops}
    generators = [np.random.default_rng(seed) for seed in range(300)]
    augmented = CropFlip(padding=1).apply(np.repeat(image, 300, 0), generators)
    # Nine crops and their mirror images, and in 300 draws each of the 18.
    assert {one.tobytes() for one in augmented} == expected
    still = CropFlip(padding=0, flip=False).apply(image, [np.random.default_rng(0)])
    assert np.array_equal(still, image)


def test_crop_and_flip_moves_all_channels_together():
    image = np.random.default_rng(0).integers(1, 256, (1, 1, 5, 5), np.uint8)
    colour = np.repeat(image, 3, 1)
    augmented = CropFlip().apply(colour, [np.random.default_rng(3)])
    assert (augmented == augmented[:, :1]).all()


@pytest.mark.parametrize("make", [lambda: image_split(encoder=Rate()), event_split])
def test_a_part_keeps_its_samples_and_their_random_numbers(make):
    split = make()
    part = split.part([7, 2]).part([1])
    assert part.labels.tolist() == [split.labels[2]]
    assert np.array_equal(part.batch([0], 3), split.batch([2], 3))
    assert part.input_shape == split.input_shape


def test_hold_back_is_by_class_and_seed():
    split = image_split(30)
    rest, held = split.hold_back(9, seed=4)
    assert (len(rest), len(held)) == (21, 9)
    # Ten of each of three classes: three of each are held back.
    assert np.bincount(held.labels).tolist() == [3, 3, 3]
    seen = {image.tobytes() for image in rest.inputs} | {image.tobytes() for image in held.inputs}
    assert len(seen) == 30
    assert np.array_equal(split.hold_back(9, seed=4)[1].inputs, held.inputs)
    assert not np.array_equal(split.hold_back(9, seed=5)[1].inputs, held.inputs)


def test_what_is_held_back_is_not_augmented():
    rest, held = image_split(30, augmentation=CropFlip()).hold_back(9)
    assert rest.augmentation == CropFlip()
    assert held.augmentation is None


@pytest.mark.parametrize("count", [2, 28, 30, 31])
def test_hold_back_needs_every_class_on_both_sides(count):
    with pytest.raises(DataError, match=f"{count} of 30 samples cannot be held back"):
        image_split(30).hold_back(count)


@pytest.mark.parametrize("make", [event_split, lambda: image_split(encoder=Latency()), image_split])
def test_in_memory_gives_the_same_batches(make):
    split = make()
    held = split.in_memory()
    assert held.encoder is None
    assert isinstance(held.inputs, np.ndarray)
    assert held.input_shape == split.input_shape
    assert np.array_equal(held.batch([4, 1]), split.batch([4, 1]))
    assert np.array_equal(
        held.over_time(4 if make is event_split else 5), split.over_time(split.time_steps or 5)
    )


def test_in_memory_refuses_what_is_drawn_anew():
    for split in (image_split(encoder=Rate()), image_split(augmentation=CropFlip())):
        with pytest.raises(DataError, match="differ in every epoch"):
            split.in_memory()


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        (lambda: Split(np.zeros((3, 1, 2, 2), np.uint8), np.zeros(2, int), 1), "3 samples with 2 labels"),
        (
            lambda: Split(np.zeros((3, 1, 2, 2), np.uint8), np.zeros(3, int), 1, 4, Frames()),
            "samples are images; frames",
        ),
        (
            lambda: Split(HeldRecordings([], (2, 6, 6)), np.zeros(0, int), 1, 4, Rate()),
            "samples are events; rate",
        ),
        (lambda: Split(HeldRecordings([], (2, 6, 6)), np.zeros(0, int), 1), "samples are events; no encoder"),
        (
            lambda: Split(np.zeros((3, 1, 2, 2), np.uint8), np.zeros(3, int), 1, None, Rate(), 255),
            "needs time_steps",
        ),
        (
            lambda: Split(np.zeros((3, 1, 2, 2), np.uint8), np.zeros(3, int), 1, seed=-1),
            "seed is -1; expected a whole",
        ),
        (lambda: image_split().hold_back(0.2), "0.2 samples cannot be held back"),
        (
            lambda: Split(
                np.zeros((1, 1, 2, 2, 4), np.uint8), np.zeros(1, int), 1, 4, augmentation=CropFlip()
            ),
            "only images",
        ),
    ],
)
def test_a_split_is_checked(wrong, part):
    with pytest.raises(DataError, match=part):
        wrong()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("digits", {"encoder": Rate()}),
        ("digits", {"encoder": Direct(input_max=8), "augmentation": CropFlip(padding=1, flip=False)}),
        ("digits-events", {}),
    ],
)
def test_a_network_learns_from_what_is_encoded(name, options):
    train_split, test_split = load(name, time_steps=4, **options)
    train_split, test_split = train_split.part(np.arange(300)), test_split.part(np.arange(100))
    torch.manual_seed(0)
    network = dpap.networks.build("48FC-10FC", train_split.input_shape, 4, input_max=train_split.input_max)
    history = train(
        network, train_split, test_split, TrainingConfig(epochs=5, learning_rate=1e-2, batch_size=32)
    )
    # Ten classes: a tenth by chance, give or take 3 of 100 samples.
    assert history[-1].test_accuracy > 0.3
    assert history[-1].test_accuracy == accuracy(network, test_split)


IMAGES, LABELS = np.zeros((2, 1, 4, 4), np.uint8), np.array([0, 1])


@pytest.mark.parametrize(
    ("inputs", "labels", "said"),
    [
        (
            IMAGES / 255,
            LABELS,
            r"inputs are float64; expected whole numbers from 0 to 16, as \(images",
        ),
        (
            torch.zeros(2, 1, 4, 4),
            LABELS,
            r"inputs are a Tensor; .* give inputs.numpy\(\)",
        ),
        (IMAGES.tolist(), LABELS, r"inputs are a list; .* give numpy.asarray\(inputs\)"),
        (IMAGES + 17, LABELS, "inputs are from 17 to 17; expected 0 to 16"),
        (IMAGES.astype(int) - 1, LABELS, "inputs are from -1 to -1"),
        (IMAGES, torch.tensor([0, 1]), "labels are a Tensor"),
        (IMAGES, [0, 1], "labels are a list"),
        (IMAGES, np.array([0.0, 1.0]), "labels are float64"),
        (IMAGES, np.array([[0], [1]]), r"labels are int64 \(2, 1\)"),
        (IMAGES, np.array([0, -1]), "a label is -1"),
    ],
)
def test_what_is_no_array_of_whole_numbers_is_refused_at_once(inputs, labels, said):
    with pytest.raises(DataError, match=said):
        Split(inputs, labels, 16)


def test_labels_beyond_the_outputs_are_refused_before_training():
    network = dpap.networks.build("10FC", (16,), 2, input_max=16)
    split = Split(IMAGES.reshape(2, 16), np.array([0, 10]), 16)
    with pytest.raises(dpap.InputError, match="train_split has the label 10; the network has 10 outputs"):
        train(network, split, None, TrainingConfig(epochs=1))
