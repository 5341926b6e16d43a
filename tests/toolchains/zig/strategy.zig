//! Sends one limit order at each `every`-th trade, on the side that a moving average of the price says.

const std = @import("std");
const w = @import("gen/bindings.zig");

var every: u64 = 0;
var next_order: u64 = 0;

/// What a restart must not lose.
var state: extern struct { trades: u64, mean: f64 } = .{ .trades = 0, .mean = 0 };

/// What a call returns is freed by the generated code.
fn owned(comptime T: type, values: []const T) [*c]T {
    const bytes = std.c.malloc(values.len * @sizeOf(T)) orelse unreachable;
    const copy: [*c]T = @ptrCast(@alignCast(bytes));
    @memcpy(copy[0..values.len], values);
    return copy;
}

fn text(value: []const u8) w.strategy_string_t {
    return .{ .ptr = owned(u8, value), .len = value.len };
}

export fn exports_tickdeck_strategy_lifecycle_describe(manifest: *w.exports_tickdeck_strategy_lifecycle_manifest_t) void {
    const Parameter = w.exports_tickdeck_strategy_lifecycle_parameter_t;
    const Subscription = w.exports_tickdeck_strategy_lifecycle_subscription_t;
    const parameter = Parameter{
        .name = text("every"),
        .doc = text("Trades for each order."),
        .kind = w.EXPORTS_TICKDECK_STRATEGY_LIFECYCLE_PARAMETER_KIND_INTEGER,
        .default_ = .{ .is_some = true, .val = text("100") },
        .minimum = .{ .is_some = true, .val = 1 },
    };
    const trades = Subscription{
        .tag = w.EXPORTS_TICKDECK_STRATEGY_LIFECYCLE_SUBSCRIPTION_TRADES,
        .val = .{ .trades = text("*") },
    };
    manifest.* = .{
        .name = text("zig"),
        .version = text("0.1.0"),
        .doc = text("One limit order at each so many trades."),
        .parameters = .{ .ptr = owned(Parameter, &.{parameter}), .len = 1 },
        .subscriptions = .{ .ptr = owned(Subscription, &.{trades}), .len = 1 },
        .order_policy = w.EXPORTS_TICKDECK_STRATEGY_LIFECYCLE_ORDER_POLICY_CANCEL,
        .state_schema = 1,
        .restores = .{ .ptr = owned(u32, &.{1}), .len = 1 },
    };
}

/// The parameters are in the order of the manifest.
fn begin(start: *w.exports_tickdeck_strategy_lifecycle_start_t) void {
    const value = start.parameters.ptr[0].f1;
    every = 0;
    for (value.ptr[0..value.len]) |digit| every = every * 10 + (digit - '0');
    next_order = start.next_order;
    w.exports_tickdeck_strategy_lifecycle_start_free(start);
}

export fn exports_tickdeck_strategy_lifecycle_init(
    start: *w.exports_tickdeck_strategy_lifecycle_start_t,
    _: *w.strategy_string_t,
) bool {
    begin(start);
    var buffer: [64]u8 = undefined;
    const written = std.fmt.bufPrint(&buffer, "an order every {d} trades", .{every}) catch unreachable;
    var line = w.strategy_string_t{ .ptr = written.ptr, .len = written.len };
    w.tickdeck_strategy_log_write(w.TICKDECK_STRATEGY_LOG_LEVEL_INFO, &line);
    return true;
}

export fn exports_tickdeck_strategy_lifecycle_save(bytes: *w.strategy_list_u8_t, _: *w.strategy_string_t) bool {
    bytes.* = .{ .ptr = owned(u8, std.mem.asBytes(&state)), .len = @sizeOf(@TypeOf(state)) };
    return true;
}

export fn exports_tickdeck_strategy_lifecycle_restore(
    start: *w.exports_tickdeck_strategy_lifecycle_start_t,
    _: u32,
    bytes: *w.strategy_list_u8_t,
    _: *w.strategy_string_t,
) bool {
    begin(start);
    @memcpy(std.mem.asBytes(&state), bytes.ptr[0..bytes.len]);
    w.strategy_list_u8_free(bytes);
    return true;
}

export fn exports_tickdeck_strategy_lifecycle_stop(_: w.exports_tickdeck_strategy_lifecycle_stop_reason_t) void {}

// Codes of docs/CODES.md.
const limit = 2;
const gtc = 1;

/// Returns the order that a trade causes, if any.
fn onTrade(trade: *const w.tickdeck_strategy_events_trade_t) ?w.tickdeck_strategy_actions_action_t {
    const price: f64 = @floatFromInt(trade.price);
    state.mean = if (state.trades == 0) price else state.mean + (price - state.mean) / 64;
    state.trades += 1;
    if (state.trades % every != 0) return null;
    defer next_order += 1;
    return .{
        .tag = w.TICKDECK_STRATEGY_ACTIONS_ACTION_SUBMIT,
        .val = .{ .submit = .{
            .order = next_order,
            .instrument = trade.instrument,
            .side = if (price < state.mean) w.TICKDECK_STRATEGY_TYPES_SIDE_BUY else w.TICKDECK_STRATEGY_TYPES_SIDE_SELL,
            .kind = limit,
            .time_in_force = gtc,
            .size = trade.size,
            .price = trade.price,
        } },
    };
}

export fn exports_tickdeck_strategy_hot_on_events(
    batch: *w.exports_tickdeck_strategy_hot_list_event_t,
    outcome: *w.exports_tickdeck_strategy_hot_outcome_t,
) void {
    defer std.c.free(batch.ptr); // Arguments belong to the strategy.
    outcome.* = .{ .consumed = batch.len };
    for (batch.ptr[0..batch.len], 1..) |*event, consumed| {
        if (event.body.tag != w.TICKDECK_STRATEGY_EVENTS_BODY_TRADE) continue;
        const action = onTrade(&event.body.val.trade) orelse continue;
        const Action = w.tickdeck_strategy_actions_action_t;
        outcome.* = .{ .consumed = consumed, .actions = .{ .ptr = owned(Action, &.{action}), .len = 1 } };
        return;
    }
}
