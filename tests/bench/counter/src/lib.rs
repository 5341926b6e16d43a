//! The benchmarks' strategy: counts every event that it receives, mixes their sequences into a number, keeps averages as a
//! strategy would, and reads its position, sends orders, traps or loops on request.
//!
//! The count is part of the state that passes from instance to instance, so that the count of a strategy that was swapped a
//! thousand times reveals lost or duplicated events.

use serde::{Deserialize, Serialize};
use tickdeck_sdk::indicators::Ema;
use tickdeck_sdk::{
    BookUpdate, Context, Init, Parameters, Quote, Strategy, Subscription, Trade, VenueStatus,
    export,
};

/// The benchmarks' parameters.
#[derive(Debug, Parameters)]
pub struct Params {
    /// The event at which an instance that was not restored fails; 0: none.
    #[param(default = 0, min = 0, max = 1_000_000_000)]
    fail_at: u32,
    /// How it fails: loops without end, rather than trapping.
    #[param(default = false)]
    by_loop: bool,
    /// Answers every so many quotes with an order; 0: none.
    #[param(default = 0, min = 0, max = 1_000_000)]
    order_every: u32,
    /// How often it reads its position out of the store at each trade.
    #[param(default = 0, min = 0, max = 1_000_000)]
    reads: u32,
}

/// The counts. The benchmarks read the first three fields.
#[derive(Debug, Serialize, Deserialize)]
pub struct Counter {
    events: u64,
    mix: u64,
    last: u64,
    fast: Ema,
    slow: Ema,
    /// Quotes since the last order.
    quotes: u32,
    /// A restored instance does not fail, so that every failure happens once.
    #[serde(skip)]
    restored: bool,
}

impl Strategy for Counter {
    type Params = Params;

    fn subscriptions() -> Vec<Subscription> {
        vec![
            Subscription::quotes("*"),
            Subscription::trades("*"),
            Subscription::book("*"),
        ]
    }

    fn new(_: &Params, _: &Init) -> Result<Self, String> {
        Ok(Self {
            events: 0,
            mix: 0,
            last: 0,
            fast: Ema::new(20),
            slow: Ema::new(60),
            quotes: 0,
            restored: false,
        })
    }

    fn on_restore(&mut self, _: &Params, _: &Init) -> Result<(), String> {
        self.restored = true;
        Ok(())
    }

    fn on_quote(&mut self, cx: &mut Context<Self>, quote: &Quote) {
        self.count(cx);
        self.quotes += 1;
        if self.quotes == cx.params.order_every {
            self.quotes = 0;
            cx.buy(quote.instrument, quote.bid_size)
                .limit(quote.bid)
                .ioc()
                .send();
        }
    }

    fn on_trade(&mut self, cx: &mut Context<Self>, trade: &Trade) {
        self.fast.update(trade.price.0 as f64);
        self.slow.update(trade.price.0 as f64);
        for _ in 0..cx.params.reads {
            self.mix ^= cx.position(trade.instrument).0 as u64;
        }
        self.count(cx);
    }

    fn on_book(&mut self, cx: &mut Context<Self>, _: &BookUpdate) {
        self.count(cx);
    }

    fn on_venue(&mut self, cx: &mut Context<Self>, _: &VenueStatus) {
        self.count(cx);
    }
}

impl Counter {
    fn count(&mut self, cx: &Context<Self>) {
        let sequence = cx.event().sequence;
        self.events += 1;
        self.mix = self.mix.wrapping_mul(31).wrapping_add(sequence);
        self.last = sequence;
        if self.events == u64::from(cx.params.fail_at) && !self.restored {
            assert!(cx.params.by_loop, "the bench wants a trap");
            loop {
                std::hint::spin_loop();
            }
        }
    }
}

export!(Counter);
