//! The one seeded generator: every random choice of a run comes from here.

use rand::SeedableRng;
use rand::rand_core::Rng;
use rand_chacha::ChaCha8Rng;

/// A reproducible source of choices: the same seed gives the same choices on every machine and in every version.
///
/// `ChaCha8` has a documented, stable output; the mapping to ranges is our own, because `rand` does not promise that
/// its own stays the same between versions.
#[derive(Clone, Debug)]
pub struct Random {
    generator: ChaCha8Rng,
    seed: u64,
}

impl Random {
    /// The seed of a run that is given none: what has no order of its own comes in the order of the spec.
    pub const DEFAULT_SEED: u64 = 1;

    /// A generator for this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            generator: ChaCha8Rng::seed_from_u64(seed),
            seed,
        }
    }

    /// Whether what has no order of its own comes in the order of the spec.
    pub fn keeps_order(&self) -> bool {
        self.seed == Self::DEFAULT_SEED
    }

    /// What decides between actions that are equally good: the order of the spec, or with another seed than the default one an
    /// order of that seed, the same in the whole run.
    pub fn rank(&self, action: u32) -> u64 {
        if self.keeps_order() {
            return action.into();
        }
        // SplitMix64 (Steele, Lea, Flood 2014) of the seed and the action.
        let step = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(u64::from(action) + 1);
        let mut mixed = self.seed.wrapping_add(step);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, but not including, `bound`, which must not be 0.
    pub fn below(&mut self, bound: usize) -> usize {
        debug_assert!(bound > 0, "a choice needs at least one item");
        // Multiply and shift (Lemire 2019); the bias of bound / 2^64 is far below what any run could notice.
        ((u128::from(self.generator.next_u64()) * bound as u128) >> 64) as usize
    }

    /// Decides between things that are equally good: the least wins.
    pub fn tie(&mut self) -> u64 {
        self.generator.next_u64()
    }

    /// A number in [0, 1).
    pub fn fraction(&mut self) -> f64 {
        (self.generator.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One of the items, each with a chance in proportion to its weight. `None` when there are none.
    pub fn weighted<T: Copy>(
        &mut self,
        items: impl Iterator<Item = (T, f64)> + Clone,
    ) -> Option<T> {
        let total: f64 = items.clone().map(|(_, weight)| weight).sum();
        let mut left = self.fraction() * total;
        let mut last = None;
        for (item, weight) in items {
            if left < weight {
                return Some(item);
            }
            left -= weight;
            last = Some(item);
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_choices() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            (0..8).map(|_| random.below(1000)).collect::<Vec<_>>()
        };
        // Spelled out: a change here changes what a seed in somebody's bug report means.
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn weights_are_respected_and_zero_is_never_taken() {
        let mut random = Random::new(7);
        let mut taken = [0_u32; 3];
        for _ in 0..4000 {
            let index = random
                .weighted([(0, 1.0), (1, 0.0), (2, 3.0)].into_iter())
                .unwrap();
            taken[index] += 1;
        }
        assert_eq!(taken[1], 0);
        assert!(taken[2] > 2 * taken[0], "{taken:?}");
    }
}
