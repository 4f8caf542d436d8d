import pytest

from dpap import NetworkError
from dpap.notation import ConvToken, DenseToken, FlattenToken, PoolToken, parse


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
    ("notation", "message"),
    [
        ("15C3-XP2-10FC", r"token 2 of '15C3-XP2-10FC', 'XP2', is not known"),
        ("15C3--10FC", "token 2 .* '', is not known"),
        ("", "token 1 .* '', is not known"),
        ("15C3-Input-10FC", "token 2 .*'Input', is not known"),
        ("0C3-10FC", "token 1 .*'0C3', has a size of zero"),
        ("15C3-AP2", "no fully connected layer"),
        ("15c3-10FC", "token 1"),
        ("1" * 5000, "5000 characters; at most 4096"),
        (None, "is text, not NoneType"),
    ],
)
def test_a_wrong_token_is_named_with_its_position(notation, message):
    with pytest.raises(NetworkError, match=message):
        parse(notation)
