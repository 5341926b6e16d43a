//! Shadow versions: each handles the same events as the version that trades, but nothing it decides is sent. Its decisions
//! are compared, and differences recorded.

use crate::intent::Decision;
use crate::port::{Fault, Strategy};
use crate::worker::actions::consumed;
use crate::worker::dispatch::SlotIndex;
use crate::worker::runner::StrategyRunner;
use crate::worker::slot::{Counters, ShadowDifference};
use tickdeck_model::{Action, Event};
use tickdeck_portfolio::StrategyBook;

impl StrategyRunner {
    /// Offers the shadow version the events that the running one has just handled, and compares their decisions.
    pub(crate) fn run_shadow(&mut self, place: SlotIndex, handled: usize) {
        let slot = &mut self.slots[place];
        let (Some(shadow), Some(book)) = (&mut slot.shadow, self.portfolio.book_mut(slot.id))
        else {
            return;
        };
        let batch = slot.backlog.waiting(handled);
        let compared = compare(
            &mut *shadow.strategy,
            batch,
            book,
            &self.actions,
            &mut self.shadow_actions,
            &slot.counters,
        );
        match compared {
            Err(fault) => self.lose_shadow(place, fault),
            Ok(long_ns) => self.charge_shadow(place, long_ns),
        }
    }

    /// Ends a shadow version that faulted.
    pub(crate) fn lose_shadow(&mut self, place: SlotIndex, fault: Fault) {
        let slot = &mut self.slots[place];
        slot.counters.note(&fault);
        slot.shadow = None;
        let failed = slot.settled_intent(Decision::ShadowFailed);
        self.output.publish(&[failed]);
    }
}

/// Has `strategy` handle a batch whose last event, and no other, caused `sent`. Returns the CPU time of its long calls.
fn compare(
    strategy: &mut dyn Strategy,
    batch: &[Event],
    book: &mut Box<StrategyBook>,
    sent: &[Action],
    ours: &mut Vec<Action>,
    counters: &Counters,
) -> Result<u64, Fault> {
    let (mut at, mut long_ns) = (0, 0);
    while at < batch.len() {
        ours.clear();
        at += consumed(strategy.on_events(&batch[at..], book, ours)?, &batch[at..])?;
        long_ns += strategy.long_call_ns().unwrap_or_default();
        let sent = if at == batch.len() { sent } else { &[] };
        let same = ours.iter().zip(sent).filter(|(a, b)| a == b).count();
        let differed = ours.len().max(sent.len()) - same;
        Counters::add(&counters.agreed, same);
        if differed > 0 {
            Counters::add(&counters.differed, differed);
            counters.record(ShadowDifference {
                at: batch[at - 1].ts_host,
                sequence: batch[at - 1].sequence,
                sent: sent.to_vec(),
                shadow: ours.clone(),
            });
        }
    }
    Ok(long_ns)
}
