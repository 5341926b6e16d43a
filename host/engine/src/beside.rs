//! A version that runs beside the one that trades: it handles the same events, and nothing of it is sent.

use crate::action_ring::Decision;
use crate::desk::Desk;
use crate::dispatch::Place;
use crate::port::{Fault, Strategy};
use crate::replay::consumed;
use crate::slot::Counters;
use tickdeck_model::{Action, Event};
use tickdeck_portfolio::StrategyBook;

impl Desk {
    /// Offers a version that runs beside what the running one just handled, and counts where they differ.
    pub(crate) fn run_beside(&mut self, place: Place, handled: usize) {
        let slot = &mut self.slots[place];
        let (Some(shadow), Some(book)) = (&mut slot.shadow, self.portfolio.book_mut(slot.id))
        else {
            return;
        };
        let batch = slot.tape.waiting(handled);
        let answer = beside(
            &mut *shadow.strategy,
            batch,
            book,
            &self.actions,
            &mut self.beside,
        );
        match answer {
            Ok((agreed, differed)) => {
                Counters::add(&slot.counters.agreed, agreed);
                Counters::add(&slot.counters.differed, differed);
            }
            Err(fault) => self.lose_beside(place, fault),
        }
    }

    /// The version that runs beside trapped.
    pub(crate) fn lose_beside(&mut self, place: Place, fault: Fault) {
        let slot = &mut self.slots[place];
        slot.counters.note(&fault);
        slot.shadow = None;
        let failed = slot.at_end(Decision::ShadowFailed);
        self.outlet.publish(&[failed]);
    }
}

/// Lets `strategy` handle a batch of which the last event caused `theirs`; returns how many decisions were the same,
/// and how many were not.
fn beside(
    strategy: &mut dyn Strategy,
    batch: &[Event],
    book: &mut Box<StrategyBook>,
    theirs: &[Action],
    ours: &mut Vec<Action>,
) -> Result<(usize, usize), Fault> {
    let (mut at, mut differed) = (0, 0);
    loop {
        ours.clear();
        at += consumed(strategy.on_events(&batch[at..], book, ours)?, &batch[at..])?;
        if at == batch.len() {
            break;
        }
        differed += ours.len();
    }
    let same = ours.iter().zip(theirs).filter(|(a, b)| a == b).count();
    Ok((same, differed + ours.len().max(theirs.len()) - same))
}
