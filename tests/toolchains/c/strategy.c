// Sends one limit order at each `every`-th trade, on the side that a moving average of the price says.

#include <stdlib.h>
#include <string.h>

#include "gen/strategy.h"

typedef tickdeck_strategy_events_event_t event_t;
typedef tickdeck_strategy_events_trade_t trade_t;
typedef tickdeck_strategy_actions_action_t action_t;
typedef exports_tickdeck_strategy_lifecycle_start_t start_t;

static uint64_t every;
static uint64_t next_order;

// What a restart must not lose.
static struct {
    uint64_t trades;
    double mean;
} state;

// Of two results: a pointer and a length.
__attribute__((noinline)) static strategy_string_t text(const char *literal) {
    strategy_string_t copy;
    strategy_string_dup(&copy, literal);
    return copy;
}

// What `describe` returns is freed by the generated code.
static void *owned(const void *value, size_t size) {
    return memcpy(malloc(size), value, size);
}

void exports_tickdeck_strategy_lifecycle_describe(exports_tickdeck_strategy_lifecycle_manifest_t *manifest) {
    exports_tickdeck_strategy_lifecycle_parameter_t parameter = {
        .name = text("every"),
        .doc = text("Trades for each order."),
        .kind = EXPORTS_TICKDECK_STRATEGY_LIFECYCLE_PARAMETER_KIND_INTEGER,
        .default_ = {true, text("100")},
        .minimum = {true, 1},
    };
    exports_tickdeck_strategy_lifecycle_subscription_t trades = {
        .tag = EXPORTS_TICKDECK_STRATEGY_LIFECYCLE_SUBSCRIPTION_TRADES,
        .val.trades = text("*"),
    };
    uint32_t schema = 1;
    *manifest = (exports_tickdeck_strategy_lifecycle_manifest_t){
        .name = text("c"),
        .version = text("0.1.0"),
        .doc = text("One limit order at each so many trades."),
        .parameters = {owned(&parameter, sizeof parameter), 1},
        .subscriptions = {owned(&trades, sizeof trades), 1},
        .order_policy = EXPORTS_TICKDECK_STRATEGY_LIFECYCLE_ORDER_POLICY_CANCEL,
        .state_schema = schema,
        .restores = {owned(&schema, sizeof schema), 1},
    };
}

// The parameters are in the order of the manifest.
static void begin(start_t *start) {
    strategy_string_t value = start->parameters.ptr[0].f1;
    every = 0;
    for (size_t at = 0; at < value.len; at++) every = every * 10 + (value.ptr[at] - '0');
    next_order = start->next_order;
    exports_tickdeck_strategy_lifecycle_start_free(start);
}

bool exports_tickdeck_strategy_lifecycle_init(start_t *start, strategy_string_t *error) {
    strategy_string_t line = text("an order every ");
    line.ptr = realloc(line.ptr, 64);
    strategy_string_t value = start->parameters.ptr[0].f1;
    memcpy(line.ptr + line.len, value.ptr, value.len);
    memcpy(line.ptr + line.len + value.len, " trades", 7);
    line.len += value.len + 7;
    tickdeck_strategy_log_write(TICKDECK_STRATEGY_LOG_LEVEL_INFO, &line);
    strategy_string_free(&line);
    begin(start);
    return true;
}

bool exports_tickdeck_strategy_lifecycle_save(strategy_list_u8_t *bytes, strategy_string_t *error) {
    *bytes = (strategy_list_u8_t){owned(&state, sizeof state), sizeof state};
    return true;
}

bool exports_tickdeck_strategy_lifecycle_restore(start_t *start, uint32_t schema, strategy_list_u8_t *bytes,
                                                 strategy_string_t *error) {
    begin(start);
    memcpy(&state, bytes->ptr, sizeof state);
    strategy_list_u8_free(bytes);
    return true;
}

void exports_tickdeck_strategy_lifecycle_stop(exports_tickdeck_strategy_lifecycle_stop_reason_t reason) {}

// Codes of docs/CODES.md.
enum { LIMIT = 2, GTC = 1 };

// Writes the order that a trade causes, if any.
static bool on_trade(const trade_t *trade, action_t *action) {
    double price = (double)trade->price;
    state.mean = state.trades == 0 ? price : state.mean + (price - state.mean) / 64;
    state.trades += 1;
    if (state.trades % every != 0) return false;
    *action = (action_t){
        .tag = TICKDECK_STRATEGY_ACTIONS_ACTION_SUBMIT,
        .val.submit =
            {
                .order = next_order++,
                .instrument = trade->instrument,
                .side = price < state.mean ? TICKDECK_STRATEGY_TYPES_SIDE_BUY : TICKDECK_STRATEGY_TYPES_SIDE_SELL,
                .kind = LIMIT,
                .time_in_force = GTC,
                .size = trade->size,
                .price = trade->price,
            },
    };
    return true;
}

void exports_tickdeck_strategy_hot_on_events(exports_tickdeck_strategy_hot_list_event_t *batch,
                                             exports_tickdeck_strategy_hot_outcome_t *outcome) {
    action_t action;
    *outcome = (exports_tickdeck_strategy_hot_outcome_t){.consumed = batch->len};
    for (size_t at = 0; at < batch->len; at++) {
        const event_t *event = &batch->ptr[at];
        if (event->body.tag == TICKDECK_STRATEGY_EVENTS_BODY_TRADE && on_trade(&event->body.val.trade, &action)) {
            outcome->consumed = at + 1;
            outcome->actions.ptr = owned(&action, sizeof action);
            outcome->actions.len = 1;
            break;
        }
    }
    free(batch->ptr); // Arguments belong to the strategy.
}
