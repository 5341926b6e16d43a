//! The closed sets of names of `wit/types.wit`, in its order.

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

            /// The name as the contract spells it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$case => $text,)+ }
            }

            /// The case of this number.
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
        /// Buys, or bids.
        Buy = "buy",
        /// Sells, or asks.
        Sell = "sell",
    }
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
    /// Who crossed the spread in a public trade.
    Aggressor {
        /// A buyer took an ask.
        Buyer = "buyer",
        /// A seller hit a bid.
        Seller = "seller",
        /// The venue does not publish it.
        Undisclosed = "undisclosed",
    }
}

closed_set! {
    /// How a book update is to be applied.
    BookChange {
        /// Forget every level of both sides; opens a snapshot.
        Clear = "clear",
        /// A level of the snapshot that the last `Clear` opened.
        Snapshot = "snapshot",
        /// The new size of one level; zero removes it.
        Delta = "delta",
    }
}

closed_set! {
    /// What closes a bar.
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
    /// How an order is priced.
    OrderType {
        /// Takes what the book offers.
        Market = "market",
        /// Trades at its price or better.
        Limit = "limit",
        /// Becomes a market order once the market trades at the stop price or beyond.
        Stop = "stop",
        /// Becomes a limit order once the market trades at the stop price or beyond.
        StopLimit = "stop-limit",
    }
}

closed_set! {
    /// How long an order works.
    TimeInForce {
        /// Until filled or canceled.
        Gtc = "gtc",
        /// Fill what is there at once, cancel the rest.
        Ioc = "ioc",
        /// Fill all of it at once or nothing.
        Fok = "fok",
        /// Until the venue's trading day ends.
        Day = "day",
    }
}

closed_set! {
    /// Where an order stands.
    OrderStatus {
        /// Passed the host's checks and left for the venue.
        Submitted = "submitted",
        /// Works at the venue.
        Accepted = "accepted",
        /// Refused by the host: it never left. Final.
        Denied = "denied",
        /// Refused by the venue. Final.
        Rejected = "rejected",
        /// Taken off the book before it was filled. Final, though a fill under way may still come.
        Canceled = "canceled",
        /// Ended by its time in force. Final.
        Expired = "expired",
        /// Works with the new price and size that the update carries.
        Replaced = "replaced",
        /// A stop order's condition was met.
        Triggered = "triggered",
        /// A modify left for the venue.
        PendingModify = "pending-modify",
        /// A cancel left for the venue.
        PendingCancel = "pending-cancel",
        /// The venue did not carry out a modify; the order works as before.
        ModifyRejected = "modify-rejected",
        /// The venue did not carry out a cancel.
        CancelRejected = "cancel-rejected",
        /// Sent, and the venue's answer never came.
        Unknown = "unknown",
    }
}

impl OrderStatus {
    /// Whether the order is done: it will not work again.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Denied | Self::Rejected | Self::Canceled | Self::Expired
        )
    }
}

closed_set! {
    /// Why an order update came.
    Reason {
        /// It happened because the strategy asked for it, or in the normal course.
        Normal = "normal",
        /// Size above the limit for one order.
        MaxSize = "max-size",
        /// Price times size above the limit for one order.
        MaxNotional = "max-notional",
        /// Price too far from the last quote.
        PriceCollar = "price-collar",
        /// The position, with all working orders filled, would pass the limit.
        MaxPosition = "max-position",
        /// Too many orders within the window.
        OrderRate = "order-rate",
        /// The same order was sent within the duplicate window.
        Duplicate = "duplicate",
        /// The order could open or enlarge a position though only reducing is allowed.
        ReduceOnly = "reduce-only",
        /// The instrument is not on the strategy's allow-list.
        NotAllowed = "not-allowed",
        /// The order type is not one that the strategy may send.
        TypeNotAllowed = "type-not-allowed",
        /// The last quote is missing or too old, or the venue's feed is stale.
        StaleData = "stale-data",
        /// The strategy or the deck is paused.
        Paused = "paused",
        /// The deck was killed: nothing but cancels until an operator clears it.
        Killed = "killed",
        /// No such instrument in this deck.
        UnknownInstrument = "unknown-instrument",
        /// The size is not positive, not a whole number of lots, or below the minimum.
        InvalidSize = "invalid-size",
        /// A price is not positive, not a whole number of ticks, or given where none is taken.
        InvalidPrice = "invalid-price",
        /// Price times size below the instrument's minimum.
        MinNotional = "min-notional",
        /// No order of that number is working.
        UnknownOrder = "unknown-order",
        /// The account cannot pay for it.
        InsufficientFunds = "insufficient-funds",
        /// The combination of type, time in force and marks is not offered by the venue.
        Unsupported = "unsupported",
        /// A post-only order would have traded at once.
        WouldCross = "would-cross",
        /// Time in force IOC: the rest found nothing to trade with.
        IocRemainder = "ioc-remainder",
        /// Time in force FOK: not all of it could be filled.
        FokUnfilled = "fok-unfilled",
        /// A market order found no liquidity left.
        NoLiquidity = "no-liquidity",
        /// Time in force DAY: the day ended.
        DayEnd = "day-end",
        /// The venue gave a reason of its own.
        Venue = "venue",
        /// The strategy ended and its order policy says cancel.
        StrategyEnded = "strategy-ended",
        /// The operator asked for it.
        Operator = "operator",
    }
}

closed_set! {
    /// Whether a fill took or gave liquidity.
    Liquidity {
        /// Gave: the order rested on the book.
        Maker = "maker",
        /// Took: the order traded at once.
        Taker = "taker",
    }
}

closed_set! {
    /// What a venue status is about.
    VenueScope {
        /// The whole venue; the instrument means nothing.
        Venue = "venue",
        /// One instrument.
        Instrument = "instrument",
    }
}

closed_set! {
    /// How a venue, or its data for one instrument, is.
    VenueState {
        /// The link is up.
        Connected = "connected",
        /// The link is down.
        Disconnected = "disconnected",
        /// Data may be old or wrong. Orders that open risk are denied.
        Stale = "stale",
        /// Data is whole again.
        Live = "live",
        /// The venue stopped trading.
        Halted = "halted",
    }
}

closed_set! {
    /// How urgent a notification is.
    Severity {
        /// Good to know.
        Info = "info",
        /// Someone should look.
        Warning = "warning",
        /// Someone must look now.
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
        /// Levels of the book.
        Book = "book",
        /// Bars that the host derives.
        Bars = "bars",
        /// Values published under one name.
        Signals = "signals",
    }
}

closed_set! {
    /// How much a line of the log matters.
    Level {
        /// For the author.
        Debug = "debug",
        /// For the operator.
        Info = "info",
        /// The operator should look.
        Warn = "warn",
        /// Something is broken.
        Error = "error",
    }
}

closed_set! {
    /// What happens to working orders when the strategy ends, in whatever way.
    OrderPolicy {
        /// They are canceled.
        Cancel = "cancel",
        /// They keep working.
        Hold = "hold",
    }
}

closed_set! {
    /// Why a strategy is stopped.
    StopReason {
        /// The host shuts down.
        Shutdown = "shutdown",
        /// The file was removed, or the operator asked for it.
        Removed = "removed",
        /// Another version takes over.
        Replaced = "replaced",
    }
}
