import pytest

from dpap import NetworkError
from dpap.notation import (
    VGG16,
    ConvToken,
    DelayToken,
    DenseToken,
    DropoutToken,
    FlattenToken,
    PoolToken,
    ResidualToken,
    parse,
)


def test_the_papers_network():
    expected = [
        ConvToken(15, 3),
        PoolToken(2),
        ConvToken(40, 3),
        PoolToken(2),
        DenseToken(300),
        DenseToken(10),
    ]
    assert parse("15C3-AP2-40C3-AP2-300FC-10FC") == expected
    spelled_out = parse("Input-15C3-AvgPool2-40C3-AvgPool2-Flatten-300FC-10FC")
    assert [token for token in spelled_out if token != FlattenToken()] == expected


@pytest.mark.parametrize(
    ("word", "token"),
    [
        ("16C3x5", ConvToken(16, (3, 5))),
        ("16C3s2p0d4g8", ConvToken(16, 3, 2, 0, 4, 8)),
        ("16C4g2p1", ConvToken(16, 4, padding=1, groups=2)),
        ("16C3-BN", ConvToken(16, 3, norm=True)),
        ("MP2", PoolToken(2, "max")),
        ("MaxPool3s2p1", PoolToken(3, "max", 2, 1)),
        ("SP2", PoolToken(2, "sum")),
        ("SumPool2s1", PoolToken(2, "sum", 1)),
        ("AP3p1", PoolToken(3, "average", None, 1)),
        ("300RFC", DenseToken(300, recurrent=True)),
        ("300FC-BN", DenseToken(300, norm=True)),
        ("DP0.25", DropoutToken(0.25)),
        ("Dropout0", DropoutToken(0.0)),
        ("Delay8", DelayToken(8)),
        ("Res(4C3-BN-MP2)", ResidualToken((ConvToken(4, 3, norm=True), PoolToken(2, "max")))),
        ("Res(4C3|4C1)", ResidualToken((ConvToken(4, 3),), (ConvToken(4, 1),))),
        ("Res(4C3-Res(4C3))", ResidualToken((ConvToken(4, 3), ResidualToken((ConvToken(4, 3),))))),
        ("Flatten", FlattenToken()),
    ],
)
def test_every_token(word, token):
    assert parse(f"{word}-10FC") == [token, DenseToken(10)]
    assert parse(f"Input - 2C3 - {word} - 10FC") == [ConvToken(2, 3), token, DenseToken(10)]


def test_vgg16_has_thirteen_convolutions_and_two_dense_layers():
    tokens = parse("VGG16-10FC")
    assert tokens == parse(VGG16 + "-10FC")
    convolutions = [token for token in tokens if isinstance(token, ConvToken)]
    widths = [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    assert [(token.channels, token.norm) for token in convolutions] == [(width, True) for width in widths]
    assert tokens.count(PoolToken(2, "max")) == 5
    assert tokens[-3:] == [DenseToken(512, norm=True)] * 2 + [DenseToken(10)]


@pytest.mark.parametrize(
    ("notation", "message"),
    [
        ("15C3-XP2-10FC", r"token 2 of '15C3-XP2-10FC', 'XP2', is not known"),
        ("15C3--10FC", "token 2 .* '', is not known"),
        ("", "token 1 .* '', is not known"),
        ("15C3-Input-10FC", "token 2 .*'Input', is not known"),
        ("0C3-10FC", "token 1 .*'0C3', has a size of zero"),
        ("15C3-AP2", "no fully connected layer"),
        ("15c3-10FC", "token 1"),
        ("15C3x0-10FC", "token 1 .*'15C3x0', has a size of zero"),
        ("15C3s0-10FC", "token 1 .*'15C3s0', has a size of zero"),
        ("15C3g0-10FC", "token 1 .* has a size of zero"),
        ("5FC-Delay0-10FC", "token 2 .*'Delay0', has a size of zero"),
        ("15C3s2s2-10FC", "token 1 .*'15C3s2s2', has the option s2, which is unknown or given twice"),
        ("15C3-AP2d2-10FC", "token 2 .* has the option d2, which is unknown"),
        ("15C3-MP2g2-10FC", "token 2 .* has the option g2"),
        ("BN-10FC", "token 1 .*'BN', normalises the layer before"),
        ("15C3-AP2-BN-10FC", "token 3 .*'BN', normalises the layer before"),
        ("15C3-BN-BN-10FC", "token 3 .*'BN', normalises the layer before"),
        ("15RFC-BN-10FC", "token 2 .* follows a recurrent layer"),
        ("DP1.5-10FC", "token 1 .*'DP1.5', is not known"),
        ("Delay-10FC", "token 1 .*'Delay', is not known"),
        ("4C3-Res(4C3-XX)-10FC", "token 2 of '4C3-XX', 'XX', is not known"),
        ("4C3-Res()-10FC", "token 2 .* has 1 branches; expected"),
        ("4C3-Res(4C3|)-10FC", "token 2 .* has 2 branches; expected"),
        ("4C3-Res(4C3|4C1|4C1)-10FC", "token 2 .* has 3 branches; expected"),
        ("4C3-Res(4C3-10FC", "token 2 .*'Res.4C3-10FC', is not known"),
        ("4C3)-10FC", "token 1 .* is not known"),
        ("Res(Input-4C3)-10FC", "token 1 of 'Input-4C3', 'Input', is not known"),
        ("Res(" * 9 + "4FC" + ")" * 9 + "-10FC", "more than 8 residual connections within each other"),
        ("Res(10FC)", "no fully connected layer"),
        ("1" * 5000, "5000 characters; at most 4096"),
        (None, "is text, not NoneType"),
    ],
)
def test_a_wrong_token_is_named_with_its_position(notation, message):
    with pytest.raises(NetworkError, match=message):
        parse(notation)
