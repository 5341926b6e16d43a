//! The closed sets of names of `wit/types.wit`, in its order.

use crate::layout::closed_set;

closed_set! {
    /// The side of an order, a fill or a book level.
    Side { Buy = "buy", Sell = "sell", }
}

impl Side {
    /// The other side.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// +1 for a buy, -1 for a sell.
    pub const fn sign(self) -> i64 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }
}

closed_set! {
    /// The side that crossed the spread in a public trade.
    Aggressor { Buyer = "buyer", Seller = "seller", Undisclosed = "undisclosed", }
}

closed_set! {
    /// The way in which a book update is applied.
    BookChange { Clear = "clear", Snapshot = "snapshot", Delta = "delta", }
}

closed_set! {
    /// The condition that closes a bar.
    BarBasis { Time = "time", Trades = "trades", Volume = "volume", }
}

closed_set! {
    /// The type of an order.
    OrderType { Market = "market", Limit = "limit", Stop = "stop", StopLimit = "stop-limit", }
}

impl OrderType {
    /// Whether the type carries a limit price.
    pub const fn has_price(self) -> bool {
        matches!(self, Self::Limit | Self::StopLimit)
    }

    /// Whether the type carries a stop price.
    pub const fn has_stop(self) -> bool {
        matches!(self, Self::Stop | Self::StopLimit)
    }
}

closed_set! {
    /// The time for which an order works.
    TimeInForce { Gtc = "gtc", Ioc = "ioc", Fok = "fok", Day = "day", }
}

closed_set! {
    /// The state of an order, as an order update reports it.
    OrderStatus {
        Submitted = "submitted",
        Accepted = "accepted",
        Denied = "denied",
        Rejected = "rejected",
        Canceled = "canceled",
        Expired = "expired",
        Replaced = "replaced",
        Triggered = "triggered",
        PendingModify = "pending-modify",
        PendingCancel = "pending-cancel",
        ModifyRejected = "modify-rejected",
        CancelRejected = "cancel-rejected",
        Unknown = "unknown",
    }
}

closed_set! {
    /// The reason for an order update.
    Reason {
        Normal = "normal",
        MaxSize = "max-size",
        MaxNotional = "max-notional",
        PriceCollar = "price-collar",
        MaxPosition = "max-position",
        OrderRate = "order-rate",
        Duplicate = "duplicate",
        ReduceOnly = "reduce-only",
        NotAllowed = "not-allowed",
        TypeNotAllowed = "type-not-allowed",
        StaleData = "stale-data",
        Paused = "paused",
        Killed = "killed",
        UnknownInstrument = "unknown-instrument",
        InvalidSize = "invalid-size",
        InvalidPrice = "invalid-price",
        MinNotional = "min-notional",
        UnknownOrder = "unknown-order",
        InsufficientFunds = "insufficient-funds",
        Unsupported = "unsupported",
        WouldCross = "would-cross",
        IocRemainder = "ioc-remainder",
        FokUnfilled = "fok-unfilled",
        NoLiquidity = "no-liquidity",
        DayEnd = "day-end",
        Venue = "venue",
        StrategyEnded = "strategy-ended",
        Operator = "operator",
    }
}

impl Reason {
    /// The deny code as logs and JSON spell it: `MAX_NOTIONAL`.
    pub fn code(self) -> String {
        self.as_str().to_ascii_uppercase().replace('-', "_")
    }
}

closed_set! {
    /// Whether a fill took or provided liquidity.
    Liquidity { Maker = "maker", Taker = "taker", }
}

closed_set! {
    /// The subject of a venue status.
    VenueScope { Venue = "venue", Instrument = "instrument", }
}

closed_set! {
    /// The state of a venue, or of its data for one instrument.
    VenueState {
        Connected = "connected",
        Disconnected = "disconnected",
        Stale = "stale",
        Live = "live",
        Halted = "halted",
    }
}

closed_set! {
    /// The severity of a notification.
    Severity { Info = "info", Warning = "warning", Critical = "critical", }
}
