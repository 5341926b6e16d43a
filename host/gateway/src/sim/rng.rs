//! Random numbers that are the same on every machine.
//!
//! Only the four operations of IEEE 754 are used, which every platform rounds alike. The logarithm of the platform's
//! maths library is not: its last bit differs from one to the next, and one bit changes a whole simulated session.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng;

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub(super) struct SimRng(Pcg64Mcg);

impl SimRng {
    /// Stream number `stream` of `seed`; streams share nothing.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let low = mix(seed ^ mix(stream));
        let high = mix(low ^ seed.rotate_left(32));
        Self(Pcg64Mcg::new((u128::from(high) << 64) | u128::from(low)))
    }

    /// Uniform in `[0, 1)`.
    pub(super) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `0..bound`; `bound` is above zero. The bias is below `bound / 2^64`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Bell-shaped with mean 0 and variance 1: the sum of four uniforms, so never beyond 3.47.
    pub(super) fn bell(&mut self) -> f64 {
        let bits = self.0.next_u64();
        let sum: u64 = (0..4).map(|part| (bits >> (16 * part)) & 0xffff).sum();
        // Four uniforms of 0..=65535: mean 131070, standard deviation 65536 / sqrt(3).
        (sum as f64 - 131_070.0) / 37_837.227_3
    }

    /// Exponential with mean 1.
    pub(super) fn exponential(&mut self) -> f64 {
        -natural_log(1.0 - self.unit())
    }
}

/// The finaliser of splitmix64.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The natural logarithm of a normal number above zero, to about 1e-9.
fn natural_log(x: f64) -> f64 {
    const MANTISSA: u64 = (1 << 52) - 1;
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & MANTISSA) | (1023 << 52));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    // ln m = 2 (s + s^3/3 + s^5/5 + ...) with s = (m - 1) / (m + 1), at most 0.172.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series =
        1.0 + square * (1.0 / 3.0 + square * (0.2 + square * (1.0 / 7.0 + square * (1.0 / 9.0))));
    2.0 * s * series + exponent as f64 * std::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_close_and_its_bits_never_change() {
        for x in [1.0, 0.5, 0.9999, 0.75, 0.7072, 1e-3, 1.1e-16] {
            let difference = (natural_log(x) - f64::ln(x)).abs();
            assert!(difference < 3e-9, "ln {x} is off by {difference}");
        }
        assert_eq!(natural_log(0.3).to_bits(), 0xbff3_4378_fcbd_b26b);
    }

    #[test]
    fn draws_have_the_moments_they_promise() {
        type Draw = fn(&mut SimRng) -> f64;
        let draws: [(Draw, f64, f64); 3] = [
            (SimRng::bell, 0.0, 1.0),
            (SimRng::exponential, 1.0, 1.0),
            (SimRng::unit, 0.5, 1.0 / 12.0),
        ];
        for (draw, expected_mean, expected_variance) in draws {
            let mut rng = SimRng::new(7, 1);
            let drawn: Vec<f64> = (0..200_000).map(|_| draw(&mut rng)).collect();
            let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
            let variance =
                drawn.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / drawn.len() as f64;
            assert!(
                (mean - expected_mean).abs() < 0.02,
                "mean {mean}, not {expected_mean}"
            );
            assert!(
                (variance - expected_variance).abs() < 0.02,
                "variance {variance}, not {expected_variance}"
            );
        }
    }

    #[test]
    fn streams_of_a_seed_and_seeds_of_a_stream_differ() {
        let first = |seed, stream| SimRng::new(seed, stream).below(u64::MAX);
        let draws = [
            first(1, 0),
            first(1, 1),
            first(2, 0),
            first(2, 1),
            first(0, 0),
        ];
        for (at, draw) in draws.iter().enumerate() {
            assert!(!draws[..at].contains(draw), "two streams begin alike");
        }
    }
}
