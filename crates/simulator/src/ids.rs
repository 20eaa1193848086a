//! New ids, in the forms that platforms use.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Generates ids, and draws the other random choices of a shop.
#[derive(Debug)]
pub(crate) struct Ids {
    rng: StdRng,
    last: u64,
}

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), last: 788_032_119_674_292_922 }
    }

    /// An integer greater than a float can hold exactly.
    pub(crate) fn number(&mut self) -> u64 {
        self.last += self.rng.random_range(1..1_000_000_u64) * 2 + 1;
        self.last
    }

    pub(crate) fn opaque(&mut self) -> String {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        (0..24).map(|_| char::from(ALPHABET[self.rng.random_range(0..ALPHABET.len())])).collect()
    }

    pub(crate) fn uuid(&mut self) -> String {
        let mut bytes: [u8; 16] = self.rng.random();
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let digits = hex::encode(bytes);
        [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
    }

    /// `bytes` random bytes in hexadecimal.
    pub(crate) fn hex(&mut self, bytes: usize) -> String {
        (0..bytes).map(|_| hex::encode([self.rng.random::<u8>()])).collect()
    }

    /// True in one of `n` cases.
    pub(crate) fn one_in(&mut self, n: u32) -> bool {
        self.rng.random_ratio(1, n)
    }
}
