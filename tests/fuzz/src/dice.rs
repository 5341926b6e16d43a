//! Random numbers by seed and number of an input, so that any input can be made again alone.

/// A sequence of random numbers (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The dice of an input.
    pub fn of(seed: u64, number: u64) -> Self {
        let mut dice = Self(seed ^ number.wrapping_mul(0xd1b5_4a32_d192_ed03));
        dice.roll();
        dice
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`, which is above 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// So many random bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend(self.roll().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }

    /// A number that code is likely to get wrong.
    pub fn odd_number(&mut self) -> i64 {
        const ODD: &[i64] = &[
            0,
            1,
            -1,
            2,
            7,
            8,
            9,
            10,
            18,
            19,
            38,
            39,
            63,
            64,
            127,
            128,
            255,
            256,
            65_535,
            65_536,
            1 << 31,
            (1 << 31) - 1,
            (1 << 32) - 1,
            1 << 32,
            1 << 48,
            1 << 53,
            1 << 62,
            i64::MAX,
            i64::MAX - 1,
            i64::MIN,
            i64::MIN + 1,
            8_835_955_199_999_999_999,
            8_835_955_200_000_000_000,
            1_723_161_253_937_085_768,
        ];
        *self.pick(ODD)
    }
}
