// Sends one limit order at each `every`-th trade, on the side that a moving average of the price says.
import { write } from "tickdeck:strategy/log@0.1.0";

const EVENT = 104; // Bytes; docs/LAYOUT.md has the offsets, docs/CODES.md the codes.
const ACTION = 128;
const TRADE = 1;
const LIMIT = 2;
const GTC = 1;
const BUY = 0;
const SELL = 1;

let every = 0;
let nextOrder = 0n;
let trades = 0;
let mean = 0;

function begin(start) {
  every = Number(new Map(start.parameters).get("every"));
  nextOrder = BigInt(start.nextOrder); // It comes as a number.
}

// The order that the trade at `at` causes, if any.
function onTrade(event, at) {
  const price = Number(event.getBigInt64(at + 40, true));
  mean = trades === 0 ? price : mean + (price - mean) / 64;
  trades += 1;
  if (trades % every !== 0) return undefined;
  const action = new DataView(new ArrayBuffer(ACTION)); // All else is zero.
  action.setBigUint64(8, nextOrder, true);
  action.setBigInt64(24, event.getBigInt64(at + 48, true), true);
  action.setBigInt64(40, event.getBigInt64(at + 40, true), true);
  action.setUint32(96, event.getUint32(at + 32, true), true);
  action.setUint16(112, LIMIT, true);
  action.setUint16(114, GTC, true);
  action.setUint8(126, price < mean ? BUY : SELL);
  nextOrder += 1n;
  return new Uint8Array(action.buffer);
}

export const lifecycle = {
  describe() {
    return {
      name: "javascript",
      version: "0.1.0",
      doc: "One limit order at each so many trades.",
      parameters: [{ name: "every", doc: "Trades for each order.", kind: "integer", default: "100", minimum: 1 }],
      subscriptions: [{ tag: "trades", val: "*" }],
      messages: [],
      orderPolicy: "cancel",
      stateSchema: 1,
      restores: [1],
    };
  },
  init(start) {
    begin(start);
    write("info", `an order every ${every} trades`);
  },
  save() {
    const state = new DataView(new ArrayBuffer(16));
    state.setBigUint64(0, BigInt(trades), true);
    state.setFloat64(8, mean, true);
    return new Uint8Array(state.buffer);
  },
  restore(start, schema, bytes) {
    begin(start);
    const state = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    trades = Number(state.getBigUint64(0, true));
    mean = state.getFloat64(8, true);
  },
  stop() {},
};

export const hotBytes = {
  onEvents(batch) {
    const events = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
    for (let at = 0; at < batch.byteLength; at += EVENT) {
      if (events.getUint8(at + 24) !== TRADE) continue;
      const action = onTrade(events, at);
      if (action) return { consumed: at / EVENT + 1, actions: action };
    }
    return { consumed: batch.byteLength / EVENT, actions: new Uint8Array(0) };
  },
};
