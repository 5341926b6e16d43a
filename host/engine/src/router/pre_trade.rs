//! Whether an order may pass: what is known as of its cause, put before every middleware.

use crate::handle::Mode;
use crate::middleware::{Denial, OrderContext, OrderMiddleware};
use crate::router::Router;
use tickdeck_model::{ClientOrderId, InstrumentId, Reason, Size, Timestamp};

impl Router {
    /// Asks every middleware about an order or a change; the first that refuses ends it.
    pub(crate) fn judge(
        &mut self,
        place: usize,
        now: Timestamp,
        instrument: InstrumentId,
        except: Option<ClientOrderId>,
        mut ask: impl FnMut(&mut dyn OrderMiddleware, &OrderContext<'_>) -> Result<(), Denial>,
    ) -> Result<(), Denial> {
        let mut middlewares = std::mem::take(&mut self.middlewares);
        let verdict = self
            .situation(place, now, instrument, except)
            .and_then(|at| {
                middlewares
                    .iter_mut()
                    .try_for_each(|middleware| ask(middleware.as_mut(), &at))
            });
        self.middlewares = middlewares;
        verdict
    }

    fn situation(
        &self,
        place: usize,
        now: Timestamp,
        instrument: InstrumentId,
        except: Option<ClientOrderId>,
    ) -> Result<OrderContext<'_>, Denial> {
        let party = &self.parties[place];
        let (Some(terms), Some(market)) = (
            self.instruments.get(instrument.index()),
            self.markets.get(instrument),
        ) else {
            return Err(Denial {
                reason: Reason::UnknownInstrument,
                values: format!("instrument={instrument}"),
            });
        };
        let (open_buys, open_sells) = self.orders.exposure(party.id, instrument, except);
        let position = self
            .portfolio
            .book(party.id)
            .map_or(Size::ZERO, |book| book.position_size(instrument));
        Ok(OrderContext {
            now,
            leaves_at: self.leaves_at.max(now),
            instrument: terms,
            strategy: party.id,
            quote: market.quote,
            stale: market.stale,
            killed: self.killed,
            mode: if self.late || self.halted {
                Mode::Pause
            } else {
                self.mode(party)
            },
            position,
            open_buys,
            open_sells,
        })
    }
}
