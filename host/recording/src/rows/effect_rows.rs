//! The rows of effects.

use super::schema::{ACTIONS, COMMANDS, EFFECTS};
use crate::describe;
use crate::kinds::values::{
    RowNames, number_if_any, order, order_if_any, price_if_any, time_if_any,
};
use crate::names::Names;
use anyhow::Result;
use std::collections::HashMap;
use std::sync::Arc;
use tickdeck_engine::{AppliedAction, Effect, SentKind};
use tickdeck_model::{Action, InstrumentId, OrderNumber, Registry, StrategyId, TextId};
use tickdeck_tables::{Table, Value};

/// The instruments of orders: a modification does not name its order's instrument, so it is remembered from the submission.
#[derive(Debug, Default)]
pub struct OrderInstruments(HashMap<(StrategyId, OrderNumber), InstrumentId>);

impl OrderInstruments {
    /// Remembers the instrument of an order that is submitted.
    pub fn add(&mut self, effect: &Effect) {
        if let Effect::Applied(applied) = effect
            && let Action::Submit(submit) = &applied.action
        {
            self.0
                .insert((applied.strategy, submit.order), submit.instrument);
        }
    }
}

/// Makes the rows of effects.
pub(super) struct EffectRows<'a> {
    row_names: RowNames<'a>,
    /// The same names for descriptions; made when first needed.
    names: Option<Names>,
    pub(super) instruments: OrderInstruments,
}

impl<'a> EffectRows<'a> {
    pub(super) const fn new(registry: &'a Registry, instruments: OrderInstruments) -> Self {
        Self {
            row_names: RowNames(registry),
            names: None,
            instruments,
        }
    }

    /// Returns the row of an effect, and its table; `wall` is the wall time of a command.
    pub(super) fn row(
        &mut self,
        position: u64,
        effect: &Effect,
        wall: Option<i64>,
    ) -> Result<(&'static Table, Vec<Value<'a>>)> {
        self.instruments.add(effect);
        let mut row = vec![Value::Integer(position.cast_signed())];
        match effect {
            Effect::Applied(applied) => {
                self.applied(applied, &mut row)?;
                Ok((&ACTIONS, row))
            }
            Effect::Sent {
                at,
                order: it,
                what,
            } => {
                let what = match what {
                    SentKind::Submit => "submit",
                    SentKind::Modify => "modify",
                    SentKind::Cancel => "cancel",
                };
                row.extend([
                    Value::Time(*at),
                    Value::Time(wall.unwrap_or(*at)),
                    self.row_names.strategy(it.strategy)?,
                    order(it.number),
                    Value::text(what),
                ]);
                Ok((&COMMANDS, row))
            }
            other => {
                self.other(other, &mut row)?;
                Ok((&EFFECTS, row))
            }
        }
    }

    fn applied(&self, applied: &AppliedAction, row: &mut Vec<Value<'a>>) -> Result<()> {
        row.extend([
            match applied.is_at_end() {
                true => Value::Null,
                false => Value::Integer(applied.cause.cast_signed()),
            },
            Value::Time(applied.at),
            Value::Time(applied.leaves_at.max(applied.at)),
            self.row_names.strategy(applied.strategy)?,
            Value::Integer(i64::from(applied.ordinal)),
            Value::Bool(applied.late),
            Value::text(applied.action.name()),
        ]);
        row.resize(ACTIONS.columns.len(), Value::Null);
        let mut put = |column: &str, value: Value<'a>| {
            let at = ACTIONS.columns.iter().position(|it| it.name == column);
            row[at.expect("the table has the columns that are put")] = value;
        };
        self.action(applied, &mut put)
    }

    fn action(&self, applied: &AppliedAction, put: &mut impl FnMut(&str, Value<'a>)) -> Result<()> {
        match &applied.action {
            Action::Submit(it) => {
                let (symbol, price_scale, size_scale) = self.row_names.symbol_of(it.instrument);
                put("order", order(it.order));
                put("instrument", symbol);
                put("side", Value::text(it.side.as_str()));
                put("type", Value::text(it.kind.as_str()));
                put("time_in_force", Value::text(it.time_in_force.as_str()));
                put("post_only", Value::Bool(it.post_only()));
                put("reduce_only", Value::Bool(it.reduce_only()));
                put("price", price_if_any(price_scale, it.price));
                put("stop_price", price_if_any(price_scale, it.stop_price));
                put("size", Value::decimal(it.size.0, size_scale));
                put("expires", time_if_any(it.expires));
                put("after", order_if_any(it.after));
                put("group", number_if_any(i64::from(it.group)));
                put("trail", number_if_any(it.trail));
            }
            Action::Modify(it) => {
                put("order", order(it.order));
                if let Some(instrument) = self.instruments.0.get(&(applied.strategy, it.order)) {
                    let (symbol, price_scale, size_scale) = self.row_names.symbol_of(*instrument);
                    put("instrument", symbol);
                    put("price", price_if_any(price_scale, it.price));
                    put("stop_price", price_if_any(price_scale, it.stop_price));
                    put("size", Value::decimal(it.size.0, size_scale));
                    put("trail", number_if_any(it.trail));
                }
            }
            Action::Cancel(it) => put("order", order(*it)),
            Action::CancelAll(it) => {
                if it.scope == tickdeck_model::CancelScope::Instrument {
                    put("instrument", self.row_names.symbol_of(it.instrument).0);
                }
            }
            Action::SetTimer(it) => {
                put("timer", Value::Integer(i64::from(it.id)));
                put("due", Value::Time(it.due));
            }
            Action::ClearTimer(id) => put("timer", Value::Integer(i64::from(*id))),
            Action::Notify(it) => {
                put("message", Value::Integer(i64::from(it.message)));
                put("severity", Value::text(it.severity.as_str()));
                put("value", Value::Float(it.value));
            }
            Action::Subscribe(it) | Action::Unsubscribe(it) => {
                put("feed", Value::Text(self.feed(it).into()));
                if it.feed != tickdeck_model::Feed::Signals {
                    let instrument = InstrumentId(it.target);
                    put("instrument", self.row_names.symbol_of(instrument).0);
                }
            }
        }
        Ok(())
    }

    /// `quotes`, `bars time 60000`, `signals fair-price`
    fn feed(&self, feed: &tickdeck_model::FeedRequest) -> String {
        use tickdeck_model::Feed;
        match feed.feed {
            Feed::Bars => format!("bars {} {}", feed.basis, feed.step),
            Feed::Signals => {
                let name = self
                    .row_names
                    .0
                    .text(TextId(feed.target))
                    .unwrap_or_default();
                format!("signals {name}")
            }
            other => other.as_str().to_owned(),
        }
    }

    fn other(&mut self, effect: &Effect, row: &mut Vec<Value<'a>>) -> Result<()> {
        let (at, who, what) = match effect {
            Effect::Settled { at, strategy, .. } => (Some(*at), Some(*strategy), "settled"),
            Effect::Operated { at, .. } => (Some(*at), None, "operated"),
            Effect::GaveUp { at, strategy } => (Some(*at), Some(*strategy), "gave-up"),
            Effect::CatchingUp { at, strategy } => (Some(*at), Some(*strategy), "catching-up"),
            Effect::Changed { at, what } => (Some(*at), Some(what.strategy()), "changed"),
            Effect::Refused { .. } => (None, None, "refused"),
            Effect::Halted { .. } => (None, None, "halted"),
            Effect::Asked { strategy } => (None, *strategy, "asked"),
            Effect::LeftBehind => (None, None, "left-behind"),
            Effect::Saved { strategy, .. } => (None, Some(*strategy), "saved"),
            Effect::Stopping { at } => (Some(*at), None, "stopping"),
            Effect::Kept | Effect::Applied(_) | Effect::Sent { .. } => (None, None, "kept"),
        };
        let text = match effect {
            Effect::Saved { state, .. } => {
                format!(
                    "a state of {} bytes in schema {}",
                    state.bytes.len(),
                    state.schema
                )
            }
            other => {
                let registry = self.row_names.0;
                let names = self
                    .names
                    .get_or_insert_with(|| Names::new(Arc::new(registry.clone()), None));
                describe::effect(other, names).unwrap_or_default()
            }
        };
        row.extend([
            at.map_or(Value::Null, Value::Time),
            who.map(|who| self.row_names.strategy(who))
                .transpose()?
                .unwrap_or(Value::Null),
            Value::text(what),
            Value::Text(text.into()),
        ]);
        Ok(())
    }
}
