// Sends one limit order at each `every`-th trade, on the side that a moving average of the price says.
// AssemblyScript has no component support: this is the canonical ABI by hand. docs/LAYOUT.md has the offsets.

@external("tickdeck:strategy/log@0.1.0", "write")
declare function log(level: i32, text: usize, length: usize): void;

const INFO: i32 = 1;
const EVENT: usize = 104;
const TRADE: u8 = 1;
const BUY: u8 = 0;
const SELL: u8 = 1;
const LIMIT: u16 = 2; // Codes of docs/CODES.md.
const GTC: u16 = 1;

// What a call returns lies here until the next one.
const manifest = memory.data(64, 8);
const parameter = memory.data(64, 8);
const subscription = memory.data(20, 4);
const restores = memory.data(4, 4);
const result = memory.data(12, 4);
const state = memory.data(16, 8);
const action = memory.data(128, 8); // What is not written stays zero.

let every: u64 = 0;
let nextOrder: u64 = 0;
let trades: u64 = 0;
let mean: f64 = 0;

export function cabi_realloc(old: usize, oldSize: usize, align: usize, size: usize): usize {
  return old ? heap.realloc(old, size) : heap.alloc(size);
}

function putText(at: usize, text: string): void {
  const bytes = String.UTF8.encode(text); // Never collected: the minimal runtime collects only when asked to.
  store<usize>(at, changetype<usize>(bytes));
  store<i32>(at, bytes.byteLength, 4);
}

function putList(at: usize, items: usize, count: i32): void {
  store<usize>(at, items);
  store<i32>(at, count, 4);
}

export function describe(): usize {
  putText(parameter, "every");
  putText(parameter + 8, "Trades for each order.");
  store<u8>(parameter, 0, 16); // integer
  store<u8>(parameter, 1, 20);
  putText(parameter + 24, "100");
  store<u8>(parameter, 1, 32);
  store<f64>(parameter, 1, 40); // minimum
  store<u8>(subscription, 1); // trades
  putText(subscription + 4, "*");
  store<u32>(restores, 1);
  putText(manifest, "assemblyscript");
  putText(manifest + 8, "0.1.0");
  putText(manifest + 16, "One limit order at each so many trades.");
  putList(manifest + 24, parameter, 1);
  putList(manifest + 32, subscription, 1);
  putList(manifest + 40, 0, 0); // messages
  store<u8>(manifest, 0, 48); // cancel
  store<u32>(manifest, 1, 52); // state-schema
  putList(manifest + 56, restores, 1);
  return manifest;
}

function ok(bytes: usize, length: i32): usize {
  store<u8>(result, 0);
  putList(result + 4, bytes, length);
  return result;
}

// The parameters are tuples of two texts, in the order of the manifest.
function begin(parameters: usize, next: u64): void {
  const value = String.UTF8.decodeUnsafe(load<usize>(parameters, 8), load<usize>(parameters, 12));
  every = u64.parse(value);
  nextOrder = next;
}

export function init(parameters: usize, count: i32, next: u64): usize {
  begin(parameters, next);
  const line = String.UTF8.encode("an order every " + every.toString() + " trades");
  log(INFO, changetype<usize>(line), line.byteLength);
  return ok(0, 0);
}

export function save(): usize {
  store<u64>(state, trades);
  store<f64>(state, mean, 8);
  return ok(state, 16);
}

export function restore(parameters: usize, count: i32, next: u64, schema: u32, bytes: usize, length: i32): usize {
  begin(parameters, next);
  trades = load<u64>(bytes);
  mean = load<f64>(bytes, 8);
  return ok(0, 0);
}

export function stop(reason: i32): void {}

// Writes the order that a trade causes, if any.
function onTrade(event: usize): bool {
  const price = <f64>load<i64>(event, 40);
  mean = trades == 0 ? price : mean + (price - mean) / 64;
  trades += 1;
  if (trades % every != 0) return false;
  store<u64>(action, nextOrder, 8);
  store<i64>(action, load<i64>(event, 48), 24);
  store<i64>(action, load<i64>(event, 40), 40);
  store<u32>(action, load<u32>(event, 32), 96);
  store<u16>(action, LIMIT, 112);
  store<u16>(action, GTC, 114);
  store<u8>(action, price < mean ? BUY : SELL, 126);
  nextOrder += 1;
  return true;
}

export function onEvents(batch: usize, count: i32): usize {
  let consumed = count;
  let actions = 0;
  for (let i = 0; i < count; i++) {
    const event = batch + <usize>i * EVENT;
    if (load<u8>(event, 24) == TRADE && onTrade(event)) {
      consumed = i + 1;
      actions = 1;
      break;
    }
  }
  heap.free(batch); // A batch belongs to the strategy.
  store<i32>(result, consumed);
  putList(result + 4, action, actions);
  return result;
}
