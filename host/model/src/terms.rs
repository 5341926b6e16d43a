//! The sets of names of `wit/types.wit`, in its order.

use crate::layout::{closed_set, coded_set};

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

coded_set! {
    /// The type of an order.
    OrderType {
        Other = "other",
        Market = "market",
        Limit = "limit",
        Stop = "stop",
        StopLimit = "stop-limit",
        MarketIfTouched = "market-if-touched",
        LimitIfTouched = "limit-if-touched",
        TrailingStop = "trailing-stop",
        TrailingStopLimit = "trailing-stop-limit",
    }
}

impl OrderType {
    /// Whether the type carries a limit price.
    pub const fn has_price(self) -> bool {
        matches!(self, Self::Limit | Self::StopLimit | Self::LimitIfTouched)
    }

    /// Whether the type carries a stop price.
    pub const fn has_stop(self) -> bool {
        matches!(
            self,
            Self::Stop | Self::StopLimit | Self::MarketIfTouched | Self::LimitIfTouched
        )
    }

    /// Whether it executes once the market has moved against the position that it closes.
    pub const fn is_stop(self) -> bool {
        matches!(self, Self::Stop | Self::StopLimit) || self.trails()
    }

    /// Whether it executes at whatever price there is, once it was triggered if it waits for that.
    pub const fn takes_any_price(self) -> bool {
        matches!(
            self,
            Self::Market | Self::Stop | Self::MarketIfTouched | Self::TrailingStop
        )
    }

    /// Whether its stop price follows the market.
    pub const fn trails(self) -> bool {
        matches!(self, Self::TrailingStop | Self::TrailingStopLimit)
    }
}

coded_set! {
    /// What moves the trigger of an order with a stop price.
    Trigger { Default = "default", LastTrade = "last-trade", Quote = "quote", Mark = "mark", }
}

coded_set! {
    /// The unit of the distance of a trailing stop.
    TrailBasis { Price = "price", BasisPoints = "basis-points", }
}

coded_set! {
    /// Which order yields where two of one account would trade.
    SelfTrade {
        Default = "default",
        ExpireMaker = "expire-maker",
        ExpireTaker = "expire-taker",
        ExpireBoth = "expire-both",
    }
}

coded_set! {
    /// How a position is margined.
    MarginMode { Default = "default", Cross = "cross", Isolated = "isolated", }
}

coded_set! {
    /// The time for which an order works.
    TimeInForce {
        Other = "other",
        Gtc = "gtc",
        Ioc = "ioc",
        Fok = "fok",
        Day = "day",
        Gtd = "gtd",
        AtOpen = "at-open",
        AtClose = "at-close",
    }
}

coded_set! {
    /// The state of an order, as an order update reports it.
    OrderStatus {
        Other = "other",
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
        Held = "held",
    }
}

coded_set! {
    /// The reason for an order update.
    Reason {
        Other = "other",
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
        SelfTrade = "self-trade",
        PositionClosed = "position-closed",
        GroupEnded = "group-ended",
        ParentEnded = "parent-ended",
        DateReached = "date-reached",
    }
}

impl Reason {
    /// The deny code as logs and JSON spell it: `MAX_NOTIONAL`.
    pub fn code(self) -> String {
        self.as_str().to_ascii_uppercase().replace('-', "_")
    }
}

coded_set! {
    /// Whether a fill took or provided liquidity.
    Liquidity { Other = "other", Maker = "maker", Taker = "taker", }
}

closed_set! {
    /// The subject of a venue status.
    VenueScope { Venue = "venue", Instrument = "instrument", }
}

coded_set! {
    /// The state of a venue, or of its data for one instrument.
    VenueState {
        Other = "other",
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
