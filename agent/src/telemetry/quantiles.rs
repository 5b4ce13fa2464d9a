//! A bounded sample of values, for quantiles: the first ones, later a random choice of all (algorithm R of Vitter,
//! "Random sampling with a reservoir", 1985).

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use super::limits::VALUES_MAX;

/// The values kept of one interval.
#[derive(Clone, Debug)]
pub struct Reservoir {
    values: Vec<f64>,
    seen: u64,
    random: SmallRng,
}

impl Reservoir {
    /// An empty one; the same seed keeps the same values.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { values: Vec::new(), seen: 0, random: SmallRng::seed_from_u64(seed) }
    }

    /// Takes a value in, perhaps in place of an older one.
    pub fn add(&mut self, value: f64) {
        self.seen += 1;
        if self.values.len() < VALUES_MAX {
            self.values.push(value);
            return;
        }
        let place = self.random.random_range(0..self.seen);
        if let Some(slot) = usize::try_from(place).ok().and_then(|place| self.values.get_mut(place)) {
            *slot = value;
        }
    }

    /// The value below which `share` (0 to 1) of the values lie; NaN when there are none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        #[expect(clippy::cast_sign_loss, reason = "the share and the length are not negative")]
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_few_values_are_exact() {
        let mut values = Reservoir::new(1);
        assert!(values.quantile(0.5).is_nan());
        (1..=100).rev().for_each(|value| values.add(f64::from(value)));
        assert_eq!((values.quantile(0.5), values.quantile(0.9), values.quantile(0.99)), (50.0, 90.0, 99.0));
    }

    #[test]
    fn many_values_stay_bounded_and_representative() {
        let mut values = Reservoir::new(7);
        (0..100_000).for_each(|value| values.add(f64::from(value)));
        assert_eq!(values.values.len(), VALUES_MAX);
        let median = values.quantile(0.5);
        assert!((35_000.0..65_000.0).contains(&median), "{median}");
    }
}
