//! The enums of `wit/types.wit`, in the same order.

/// Declares an enum of the contract: one byte, cases numbered in the order of the WIT.
macro_rules! closed_set {
    ($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
        )]
        #[repr(u8)]
        pub enum $name { $($(#[$case_doc])* $case,)+ }

        impl $name {
            /// Every case, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$case,)+];

            /// Returns the name as the contract spells it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$case => $text,)+ }
            }

            /// Returns the case with this number.
            pub fn from_u8(number: u8) -> Option<Self> {
                Self::ALL.get(usize::from(number)).copied()
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

closed_set! {
    /// The side of an order, a fill or a book level.
    Side {
        /// A buy order, or a bid.
        Buy = "buy",
        /// A sell order, or an ask.
        Sell = "sell",
    }
}

impl Side {
    /// Returns the other side.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// Returns +1 for a buy, -1 for a sell.
    pub const fn sign(self) -> i64 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }
}

closed_set! {
    /// The side that crossed the spread in a public trade.
    Aggressor {
        /// A buyer took an ask.
        Buyer = "buyer",
        /// A seller hit a bid.
        Seller = "seller",
        /// The venue does not publish the aggressor.
        Undisclosed = "undisclosed",
    }
}

closed_set! {
    /// The kind of change that a book update makes.
    BookChange {
        /// Removes every level of both sides; starts a snapshot.
        Clear = "clear",
        /// A level of the snapshot that the last `Clear` started.
        Snapshot = "snapshot",
        /// The new size of one level; zero removes the level.
        Delta = "delta",
    }
}

closed_set! {
    /// The measure that closes a bar.
    BarBasis {
        /// Milliseconds of host time, aligned to 1970-01-01 UTC.
        Time = "time",
        /// A number of public trades.
        Trades = "trades",
        /// At least a number of lots of public trade volume.
        Volume = "volume",
    }
}

closed_set! {
    /// The type of an order.
    OrderType {
        /// Takes the liquidity that the book offers.
        Market = "market",
        /// Trades at the limit price or better.
        Limit = "limit",
        /// Becomes a market order once the market trades at the stop price or beyond.
        Stop = "stop",
        /// Becomes a limit order once the market trades at the stop price or beyond.
        StopLimit = "stop-limit",
    }
}

closed_set! {
    /// The time for which an order works.
    TimeInForce {
        /// Good till canceled: works until filled or canceled.
        Gtc = "gtc",
        /// Immediate or cancel: fills what it can at once and cancels the rest.
        Ioc = "ioc",
        /// Fill or kill: fills completely at once or not at all.
        Fok = "fok",
        /// Works until the venue's trading day ends.
        Day = "day",
    }
}

closed_set! {
    /// The status of an order.
    OrderStatus {
        /// The order passed the host's checks and was sent to the venue.
        Submitted = "submitted",
        /// The order works at the venue.
        Accepted = "accepted",
        /// The host refused the order and never sent it. Final.
        Denied = "denied",
        /// The venue refused the order. Final.
        Rejected = "rejected",
        /// The order was canceled before it was filled. Final, though a fill in flight may still arrive.
        Canceled = "canceled",
        /// The order's time in force ended. Final.
        Expired = "expired",
        /// The order works with the new price and size of this update.
        Replaced = "replaced",
        /// The condition of a stop order was met.
        Triggered = "triggered",
        /// A modify was sent to the venue.
        PendingModify = "pending-modify",
        /// A cancel was sent to the venue.
        PendingCancel = "pending-cancel",
        /// The venue rejected a modify; the order works as before.
        ModifyRejected = "modify-rejected",
        /// The venue rejected a cancel.
        CancelRejected = "cancel-rejected",
        /// The order was sent, but the venue never answered.
        Unknown = "unknown",
    }
}

impl OrderStatus {
    /// Returns whether the order is done and will not work again.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Denied | Self::Rejected | Self::Canceled | Self::Expired
        )
    }
}

closed_set! {
    /// The reason for an order update.
    Reason {
        /// The strategy requested it, or it is part of the normal life of an order.
        Normal = "normal",
        /// The size exceeds the limit for one order.
        MaxSize = "max-size",
        /// Price times size exceeds the limit for one order.
        MaxNotional = "max-notional",
        /// The price is too far from the last quote.
        PriceCollar = "price-collar",
        /// The position, with all working orders filled, would exceed the limit.
        MaxPosition = "max-position",
        /// Too many orders were sent within the window.
        OrderRate = "order-rate",
        /// The same order was sent within the duplicate window.
        Duplicate = "duplicate",
        /// The order could open or increase a position although only reducing is allowed.
        ReduceOnly = "reduce-only",
        /// The instrument is not on the strategy's allow-list.
        NotAllowed = "not-allowed",
        /// The strategy may not send orders of this type.
        TypeNotAllowed = "type-not-allowed",
        /// The last quote is missing or too old, or the venue's feed is stale.
        StaleData = "stale-data",
        /// The strategy or the deck is paused.
        Paused = "paused",
        /// The kill switch is set: only cancels pass until an operator clears it.
        Killed = "killed",
        /// The deck has no such instrument.
        UnknownInstrument = "unknown-instrument",
        /// The size is not positive, not a whole number of lots, or below the minimum.
        InvalidSize = "invalid-size",
        /// A price is not positive, not a whole number of ticks, or given for an order type that takes none.
        InvalidPrice = "invalid-price",
        /// Price times size is below the instrument's minimum.
        MinNotional = "min-notional",
        /// No order with this number is working.
        UnknownOrder = "unknown-order",
        /// The account cannot pay for the order.
        InsufficientFunds = "insufficient-funds",
        /// The venue does not offer this combination of order type, time in force and flags.
        Unsupported = "unsupported",
        /// A post-only order would have traded at once.
        WouldCross = "would-cross",
        /// Time in force IOC: the rest found no liquidity.
        IocRemainder = "ioc-remainder",
        /// Time in force FOK: the order could not be filled completely.
        FokUnfilled = "fok-unfilled",
        /// A market order found no more liquidity.
        NoLiquidity = "no-liquidity",
        /// Time in force DAY: the day ended.
        DayEnd = "day-end",
        /// The venue gave its own reason.
        Venue = "venue",
        /// The strategy ended and its order policy is to cancel.
        StrategyEnded = "strategy-ended",
        /// The operator requested it.
        Operator = "operator",
    }
}

closed_set! {
    /// Whether a fill provided or took liquidity.
    Liquidity {
        /// Provided liquidity: the order rested on the book.
        Maker = "maker",
        /// Took liquidity: the order traded at once.
        Taker = "taker",
    }
}

closed_set! {
    /// The scope of a venue status.
    VenueScope {
        /// The whole venue; the instrument has no meaning.
        Venue = "venue",
        /// One instrument.
        Instrument = "instrument",
    }
}

closed_set! {
    /// The state of a venue, or of its data for one instrument.
    VenueState {
        /// The connection is up.
        Connected = "connected",
        /// The connection is down.
        Disconnected = "disconnected",
        /// Data may be outdated or wrong. Orders that add risk are denied.
        Stale = "stale",
        /// Data is complete again.
        Live = "live",
        /// The venue stopped trading.
        Halted = "halted",
    }
}

closed_set! {
    /// The severity of a notification.
    Severity {
        /// For information.
        Info = "info",
        /// Someone should look at it.
        Warning = "warning",
        /// Someone must act now.
        Critical = "critical",
    }
}

closed_set! {
    /// A stream of events about one instrument, or of one signal.
    Feed {
        /// Best bid and ask.
        Quotes = "quotes",
        /// Public trades.
        Trades = "trades",
        /// Levels of the order book.
        Book = "book",
        /// Bars that the host derives.
        Bars = "bars",
        /// Values published under one name.
        Signals = "signals",
    }
}

closed_set! {
    /// The level of a log line.
    Level {
        /// For the author of the strategy.
        Debug = "debug",
        /// For the operator.
        Info = "info",
        /// The operator should look at it.
        Warn = "warn",
        /// Something is broken.
        Error = "error",
    }
}

closed_set! {
    /// The policy for working orders when the strategy ends, for whatever reason.
    OrderPolicy {
        /// Cancels them.
        Cancel = "cancel",
        /// Leaves them working.
        Hold = "hold",
    }
}

closed_set! {
    /// The reason why a strategy is stopped.
    StopReason {
        /// The host is shutting down.
        Shutdown = "shutdown",
        /// The file was removed, or the operator stopped the strategy.
        Removed = "removed",
        /// Another version takes over from this one.
        Replaced = "replaced",
    }
}
