//! The latent fair values: a common market factor with trends and jumps, and each instrument's own deviation.
//!
//! The factor drifts by regime, diffuses, jumps (jumps fade), and is drawn back gently so that a long session stays in
//! range. An instrument's own deviation reverts faster, so instruments of the same market weight are cointegrated.
//! Advanced on a fixed grid of venue time by a stream of its own: no order moves it.

use super::super::config::SimConfig;
use crate::sim::rng::SimRng;
use tickdeck_model::Timestamp;

/// The grid.
const STEP_NS: i64 = 10_000_000;
const STEP_S: f64 = 0.01;
const ROOT_STEP_S: f64 = 0.1;

// In basis points, per second or per root of a second.
const MARKET_DIFFUSION_BP: f64 = 1.5;
const TREND_BP: f64 = 1.6;
const OWN_DIFFUSION_BP: f64 = 2.0;
const SMALLEST_JUMP_BP: f64 = 6.0;
const LARGEST_JUMP_BP: f64 = 24.0;

// Time constants and mean waits in seconds.
const MARKET_REVERSION_S: f64 = 300.0;
const OWN_REVERSION_S: f64 = 30.0;
const JUMP_RISES_S: f64 = 0.15;
const JUMP_FADES_S: f64 = 3.0;
const JUMP_EVERY_S: f64 = 15.0;
const REGIME_LASTS_S: f64 = 6.0;

/// The fair value never falls below this share of the opening price.
const FLOOR: f64 = 0.2;

/// The fair values of all instruments.
#[derive(Debug)]
pub(super) struct Latent {
    rng: SimRng,
    reached: Timestamp,
    market_bp: f64,
    jump_bp: f64,
    /// Target of the jump in progress.
    jump_target_bp: f64,
    trend_bp: f64,
    instruments: Vec<FairValue>,
}

#[derive(Debug)]
struct FairValue {
    opening_ticks: f64,
    market_weight: f64,
    own_bp: f64,
}

impl Latent {
    pub(super) fn new(config: &SimConfig) -> Self {
        let instruments = config.instruments.iter().map(|listed| FairValue {
            opening_ticks: listed.opening_price.0 as f64 / listed.tick.0 as f64,
            market_weight: listed.market_weight,
            own_bp: 0.0,
        });
        Self {
            rng: SimRng::new(config.seed, 0),
            reached: config.start,
            market_bp: 0.0,
            jump_bp: 0.0,
            jump_target_bp: 0.0,
            trend_bp: 0.0,
            instruments: instruments.collect(),
        }
    }

    /// Advances to the last point of the grid that is not after `at`.
    pub(super) fn advance_to(&mut self, at: Timestamp) {
        while at.saturating_sub(self.reached) >= STEP_NS {
            self.reached += STEP_NS;
            self.step();
        }
    }

    /// An instrument's fair value, in its ticks.
    pub(super) fn fair_ticks(&self, index: usize) -> f64 {
        let fair = &self.instruments[index];
        let moved_bp = fair.market_weight * (self.market_bp + self.jump_bp) + fair.own_bp;
        fair.opening_ticks * (1.0 + moved_bp * 1e-4).max(FLOOR)
    }

    fn step(&mut self) {
        if self.rng.chance(STEP_S / REGIME_LASTS_S) {
            self.trend_bp = (self.rng.below(3) as f64 - 1.0) * TREND_BP;
        }
        self.jump_target_bp -= self.jump_target_bp * STEP_S / JUMP_FADES_S;
        self.jump_bp += (self.jump_target_bp - self.jump_bp) * STEP_S / JUMP_RISES_S;
        if self.rng.chance(STEP_S / JUMP_EVERY_S) {
            let size = SMALLEST_JUMP_BP + self.rng.unit() * (LARGEST_JUMP_BP - SMALLEST_JUMP_BP);
            self.jump_target_bp += if self.rng.chance(0.5) { size } else { -size };
        }
        let pull = self.market_bp / MARKET_REVERSION_S;
        self.market_bp +=
            (self.trend_bp - pull) * STEP_S + MARKET_DIFFUSION_BP * ROOT_STEP_S * self.rng.bell();
        for fair in &mut self.instruments {
            let pull = fair.own_bp / OWN_REVERSION_S;
            fair.own_bp += OWN_DIFFUSION_BP * ROOT_STEP_S * self.rng.bell() - pull * STEP_S;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_instruments_of_one_weight_wander_far_but_never_far_apart() {
        let config = SimConfig::default();
        let mut latent = Latent::new(&config);
        let (mut farthest, mut widest) = (0f64, 0f64);
        for second in 1..=3_600 {
            latent.advance_to(config.start + second * 1_000_000_000);
            let bp = |index: usize| {
                let opening = latent.instruments[index].opening_ticks;
                (latent.fair_ticks(index) / opening - 1.0) * 1e4
            };
            farthest = farthest.max(bp(0).abs());
            widest = widest.max((bp(0) - bp(1)).abs());
        }
        assert!(
            farthest > 50.0,
            "the market moved at most {farthest} bp in an hour"
        );
        assert!(farthest < 1_000.0, "the market ran away by {farthest} bp");
        assert!(
            (20.0..80.0).contains(&widest),
            "BTC and ETH came apart by {widest} bp"
        );
    }
}
