import numpy as np
import pytest

from imnet_data.augment.distributions import power, symmetric_beta
from imnet_data.augment.noise import normal_noise, normal_quantiles
from imnet_data.rng import Stream, hash64

torch = pytest.importorskip("torch", reason="augmentation is done in torch")

GOLDEN = {
    0.2: ["0x1.4ce9bcea4ebe4p-6", "0x1.fe67103cbd41bp-1", "0x1.ad936bd82ecccp-2"],
    1.0: ["0x1.cc9c8992f8aabp-1", "0x1.19342adfa3256p-2", "0x1.7684f3625993ap-1"],
}


def beta(alpha: float, count: int = 4000, *, seed: int = 3) -> np.ndarray:
    indices = np.arange(count)
    return symmetric_beta(alpha, seed, stream=Stream.MIX, epoch=0, indices=indices, draw=4)


def test_power_is_power() -> None:
    random = np.random.default_rng(0)
    base = random.random(2000)
    for exponent in (0, 0.2, 0.5, 1, 2, 5, 10.25, 400 / 3):
        np.testing.assert_allclose(power(base, exponent), base**exponent, rtol=1e-12, atol=1e-300)
    exponents = random.random(2000)
    np.testing.assert_allclose(power(11.0, exponents), 11.0**exponents, rtol=1e-13)
    assert power(0.0, 0.0) == 1
    assert power(0.0, 3.5) == 0
    assert power(1.0, 123.456) == 1


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.5, 0.500001, 0.8, 1, 2, 8, 100])
def test_shares_are_beta_distributed(alpha: float) -> None:
    stats = pytest.importorskip("scipy.stats", reason="the oracle of the distribution is scipy")
    assert stats.kstest(beta(alpha), stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_shares_near_zero_are_beta_distributed() -> None:
    stats = pytest.importorskip("scipy.stats", reason="the oracle of the distribution is scipy")
    drawn = beta(0.02)  # half of the upper ones are 1 in floats, so only the lower half is compared
    lower = drawn[drawn < 0.5]
    assert abs(len(lower) / len(drawn) - 0.5) < 0.02
    assert stats.kstest(lower, lambda share: 2 * stats.beta(0.02, 0.02).cdf(share)).pvalue > 0.01


@pytest.mark.parametrize("alpha", [1e-9, 1e-3, 1e6])
def test_extreme_alphas_give_shares(alpha: float) -> None:
    drawn = beta(alpha)
    assert ((drawn >= 0) & (drawn <= 1)).all()
    assert abs(drawn.mean() - 0.5) < 0.03


def test_shares_are_the_same_for_ever() -> None:
    assert [share.hex() for share in beta(0.2, 3).tolist()] == GOLDEN[0.2]
    assert [share.hex() for share in beta(1.0, 3).tolist()] == GOLDEN[1.0]


def test_a_share_does_not_depend_on_what_is_drawn_with_it() -> None:
    for alpha in (0.3, 1.5):
        some = np.array([70, 3, 21])
        alone = symmetric_beta(alpha, 3, stream=Stream.MIX, epoch=0, indices=some, draw=4)
        assert (alone == beta(alpha, 100)[some]).all()


def test_quantiles_are_the_normal_distributions() -> None:
    stats = pytest.importorskip("scipy.stats", reason="the oracle of the distribution is scipy")
    middles = (np.arange(65536) + 0.5) / 65536
    np.testing.assert_allclose(normal_quantiles(), stats.norm.ppf(middles), rtol=1e-6)


def test_noise_is_normal_and_the_hash_is_rngs() -> None:
    hashes = hash64(1, Stream.ERASE, 2, np.arange(2), draw=1)
    noise = normal_noise(hashes, (3, 50, 40), device=torch.device("cpu"))
    assert noise.shape == (2, 3, 50, 40)
    assert abs(float(noise.mean())) < 0.03
    assert abs(float(noise.std()) - 1) < 0.03
    planes = noise.transpose(0, 1).reshape(3, -1)
    assert np.abs(np.corrcoef(planes.numpy()) - np.eye(3)).max() < 0.05

    def hashed(word: int) -> int:  # SplitMix64 once more, in Python's integers
        word = (word + 0x9E3779B97F4A7C15) % 2**64
        word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        word = (word ^ word >> 27) * 0x94D049BB133111EB % 2**64
        return word ^ word >> 31

    for image, channel, row, column in ((0, 0, 0, 0), (1, 2, 49, 39), (0, 1, 7, 30)):
        bits = hashed(int(hashes[image]) ^ hashed(row * 40 + column)) >> 16 * channel & 0xFFFF
        assert noise[image, channel, row, column] == normal_quantiles()[bits]
