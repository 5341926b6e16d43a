//! A digest that is the same on every machine: 64-bit FNV-1a over the numbers in a fixed order.

use crate::order::Order;
use crate::position::Position;
use tickdeck_model::{Money, OrderState};

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

pub(crate) struct Digest(u64);

impl Digest {
    pub(crate) const fn new() -> Self {
        Self(OFFSET)
    }

    pub(crate) const fn finish(&self) -> u64 {
        self.0
    }

    pub(crate) fn word(&mut self, word: impl Into<u64>) {
        self.bytes(&word.into().to_le_bytes());
    }

    pub(crate) fn signed(&mut self, number: i64) {
        self.bytes(&number.to_le_bytes());
    }

    pub(crate) fn money<const N: usize>(&mut self, amounts: [Money; N]) {
        amounts
            .iter()
            .for_each(|amount| self.bytes(&amount.0.to_le_bytes()));
    }

    pub(crate) fn position(&mut self, position: &Position) {
        self.word(position.instrument.0);
        self.signed(position.size.0);
        self.money([position.cost, position.realised, position.fees]);
    }

    pub(crate) fn order(&mut self, order: &Order) {
        let submit = &order.submit;
        self.word(order.number);
        self.word(submit.instrument.0);
        self.bytes(&[
            submit.side as u8,
            submit.kind as u8,
            submit.time_in_force as u8,
            submit.trigger as u8,
            submit.trail_basis as u8,
        ]);
        self.word(submit.flags.number());
        self.signed(submit.trail);
        self.signed(submit.expires);
        let numbers = [
            order.price.0,
            order.stop_price.0,
            order.size.0,
            order.filled.0,
        ];
        numbers.into_iter().for_each(|number| self.signed(number));
        let state = OrderState::ALL
            .iter()
            .take_while(|state| **state != order.state)
            .count();
        self.word(state as u64);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    }
}
