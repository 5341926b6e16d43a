"""Sends one limit order at each `every`-th trade, on the side that a moving average of the price says."""

from struct import Struct

from wit_world import exports
from wit_world.exports.hot_bytes import OutcomeBytes
from wit_world.exports.lifecycle import (
    Manifest,
    OrderPolicy,
    Parameter,
    ParameterKind,
    Subscription_Trades,
)
from wit_world.imports import log

# docs/LAYOUT.md has the offsets, docs/CODES.md the codes.
EVENT = Struct("<24xB7xI4xqq48x")
ACTION = Struct("<B7xQ8xq8xq48xI12xHH10xBx")
STATE = Struct("<Qd")
TRADE, SUBMIT, LIMIT, GTC, BUY, SELL = 1, 0, 2, 1, 0, 1

every = 0
next_order = 0
trades = 0
mean = 0.0


def begin(start):
    global every, next_order
    every = int(dict(start.parameters)["every"])
    next_order = start.next_order


def on_trade(instrument, price, size):
    """Returns the order that a trade causes, if any."""
    global next_order, trades, mean
    mean = float(price) if trades == 0 else mean + (price - mean) / 64
    trades += 1
    if trades % every:
        return b""
    side = BUY if price < mean else SELL
    action = ACTION.pack(SUBMIT, next_order, size, price, instrument, LIMIT, GTC, side)
    next_order += 1
    return action


class Lifecycle(exports.Lifecycle):
    def describe(self):
        return Manifest(
            name="python",
            version="0.1.0",
            doc="One limit order at each so many trades.",
            parameters=[Parameter("every", "Trades for each order.", ParameterKind.INTEGER, "100", 1.0, None)],
            subscriptions=[Subscription_Trades("*")],
            messages=[],
            order_policy=OrderPolicy.CANCEL,
            state_schema=1,
            restores=[1],
        )

    def init(self, start):
        begin(start)
        log.write(log.Level.INFO, f"an order every {every} trades")

    def save(self):
        return STATE.pack(trades, mean)

    def restore(self, start, schema, state):
        global trades, mean
        begin(start)
        trades, mean = STATE.unpack(state)

    def stop(self, reason):
        pass


class HotBytes(exports.HotBytes):
    def on_events(self, batch):
        events = 0
        for kind, instrument, price, size in EVENT.iter_unpack(batch):
            events += 1
            if kind == TRADE and (action := on_trade(instrument, price, size)):
                return OutcomeBytes(events, action)
        return OutcomeBytes(events, b"")
