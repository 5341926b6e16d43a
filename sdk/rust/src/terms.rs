//! The enums and the sets of codes of `wit/types.wit`.

/// Declares a set of codes of the contract. It may grow, so a code that this version of the SDK does not know is a value too.
macro_rules! open_set {
    ($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $number:literal, $text:literal,)+ }) => {
        $(#[$doc])*
        ///
        /// A later host may send a code that is none of these; match it with `_`.
        #[derive(
            Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
        )]
        #[repr(transparent)]
        pub struct $name(pub u16);

        #[allow(non_upper_case_globals, reason = "they read and match like the cases of an enum")]
        impl $name {
            $($(#[$case_doc])* pub const $case: Self = Self($number);)+

            /// Every code that this version knows, by number.
            pub const ALL: &'static [Self] = &[$(Self::$case,)+];

            /// Returns the name as the contract spells it; `other` for a code that this version does not know.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$case => $text,)+ _ => "other" }
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match *self {
                    $(Self::$case => f.write_str(stringify!($case)),)+
                    Self(code) => f.debug_tuple(stringify!($name)).field(&code).finish(),
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

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

open_set! {
    /// The type of an order. Prices that a type does not name must be 0.
    OrderType {
        /// A type that this version does not know. Denied as `unsupported`.
        Other = 0, "other",
        /// Takes the liquidity that the book offers.
        Market = 1, "market",
        /// Trades at `price` or better.
        Limit = 2, "limit",
        /// Becomes a market order once the market trades at `stop_price` or beyond.
        Stop = 3, "stop",
        /// Becomes a limit order at `price` once the market trades at `stop_price` or beyond.
        StopLimit = 4, "stop-limit",
        /// Becomes a market order once the market trades at `stop_price` or better.
        MarketIfTouched = 5, "market-if-touched",
        /// Becomes a limit order at `price` once the market trades at `stop_price` or better.
        LimitIfTouched = 6, "limit-if-touched",
        /// A stop that follows the best price since the order was sent at the distance `trail`. `stop_price` may be the
        /// first one.
        TrailingStop = 7, "trailing-stop",
        /// A trailing stop that becomes a limit order at its stop price plus `price`, which is a signed distance.
        TrailingStopLimit = 8, "trailing-stop-limit",
    }
}

open_set! {
    /// What moves the trigger of an order that has a stop price.
    Trigger {
        /// As `last_trade`.
        Default = 0, "default",
        /// Public trades.
        LastTrade = 1, "last-trade",
        /// The best price that the order could take: the ask for a buy, the bid for a sell.
        Quote = 2, "quote",
        /// The mark price.
        Mark = 3, "mark",
    }
}

open_set! {
    /// The unit of an order's `trail`.
    TrailBasis {
        /// A distance in price.
        Price = 0, "price",
        /// Hundredths of a percent of the best price.
        BasisPoints = 1, "basis-points",
    }
}

open_set! {
    /// What happens where an order of the strategy would trade with one of its own account.
    SelfTrade {
        /// The deck's policy.
        Default = 0, "default",
        /// The order that rests expires.
        ExpireMaker = 1, "expire-maker",
        /// The order that arrives expires.
        ExpireTaker = 2, "expire-taker",
        /// Both expire.
        ExpireBoth = 3, "expire-both",
    }
}

open_set! {
    /// How a position is margined.
    MarginMode {
        /// As the account is set.
        Default = 0, "default",
        /// By the whole account.
        Cross = 1, "cross",
        /// By an amount of its own.
        Isolated = 2, "isolated",
    }
}

open_set! {
    /// The time for which an order works.
    TimeInForce {
        /// One that this version does not know. Denied as `unsupported`.
        Other = 0, "other",
        /// Good till canceled: works until filled or canceled.
        Gtc = 1, "gtc",
        /// Immediate or cancel: fills what it can at once and cancels the rest.
        Ioc = 2, "ioc",
        /// Fill or kill: fills completely at once or not at all.
        Fok = 3, "fok",
        /// Works until the venue's trading day ends (00:00 UTC if the venue never closes).
        Day = 4, "day",
        /// Good till date: works until `expires`.
        Gtd = 5, "gtd",
        /// Takes part in the opening auction only.
        AtOpen = 6, "at-open",
        /// Takes part in the closing auction only.
        AtClose = 7, "at-close",
    }
}

open_set! {
    /// The status of an order.
    OrderStatus {
        /// One that this version does not know; the order may be working.
        Other = 0, "other",
        /// The order passed the host's checks and was sent to the venue.
        Submitted = 1, "submitted",
        /// The order works at the venue.
        Accepted = 2, "accepted",
        /// The host refused the order and never sent it. Final.
        Denied = 3, "denied",
        /// The venue refused the order. Final.
        Rejected = 4, "rejected",
        /// The order was canceled before it was filled. Final, though a fill in flight may still arrive.
        Canceled = 5, "canceled",
        /// The order's time in force ended. Final.
        Expired = 6, "expired",
        /// The order works at the venue with the prices and the size of this update.
        Replaced = 7, "replaced",
        /// The condition of a stop order was met.
        Triggered = 8, "triggered",
        /// A modify was sent to the venue.
        PendingModify = 9, "pending-modify",
        /// A cancel was sent to the venue.
        PendingCancel = 10, "pending-cancel",
        /// The venue rejected a modify; the order works as before.
        ModifyRejected = 11, "modify-rejected",
        /// The venue rejected a cancel.
        CancelRejected = 12, "cancel-rejected",
        /// The order was sent, but the venue never answered. Risk checks assume the worst case until the venue gives
        /// evidence.
        Unknown = 13, "unknown",
        /// The order passed the host's checks and waits in the host: for another order, for a price, or for room beside
        /// others.
        Held = 14, "held",
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

open_set! {
    /// The reason for an order update. Codes from 1,000 are a venue's own.
    Reason {
        /// One that this version does not know.
        Other = 0, "other",
        /// The strategy requested it, or it is part of the normal life of an order.
        Normal = 1, "normal",
        /// The size exceeds the limit for one order.
        MaxSize = 2, "max-size",
        /// Price times size exceeds the limit for one order.
        MaxNotional = 3, "max-notional",
        /// The price is too far from the last quote.
        PriceCollar = 4, "price-collar",
        /// The position, with all working orders filled, would exceed the limit.
        MaxPosition = 5, "max-position",
        /// Too many orders were sent within the window.
        OrderRate = 6, "order-rate",
        /// The same order was sent within the duplicate window.
        Duplicate = 7, "duplicate",
        /// The order could open or increase a position although the order or the deck is set to reduce only.
        ReduceOnly = 8, "reduce-only",
        /// The instrument is not on the strategy's allow-list.
        NotAllowed = 9, "not-allowed",
        /// The strategy may not send orders of this type.
        TypeNotAllowed = 10, "type-not-allowed",
        /// The last quote is missing or too old, or the venue's feed is stale.
        StaleData = 11, "stale-data",
        /// The strategy or the deck is paused: no new orders.
        Paused = 12, "paused",
        /// The kill switch is set: only cancels pass until an operator clears it.
        Killed = 13, "killed",
        /// The deck has no such instrument.
        UnknownInstrument = 14, "unknown-instrument",
        /// The size is not positive, not a whole number of lots, or below the minimum.
        InvalidSize = 15, "invalid-size",
        /// A price is not positive, not a whole number of ticks, or given for an order type that takes none.
        InvalidPrice = 16, "invalid-price",
        /// Price times size is below the instrument's minimum.
        MinNotional = 17, "min-notional",
        /// No order with this number is working.
        UnknownOrder = 18, "unknown-order",
        /// The account cannot pay for the order.
        InsufficientFunds = 19, "insufficient-funds",
        /// The venue does not offer this combination of order type, time in force and flags.
        Unsupported = 20, "unsupported",
        /// A post-only order would have traded at once.
        WouldCross = 21, "would-cross",
        /// Time in force IOC: the rest found no liquidity.
        IocRemainder = 22, "ioc-remainder",
        /// Time in force FOK: the order could not be filled completely.
        FokUnfilled = 23, "fok-unfilled",
        /// A market order found no more liquidity.
        NoLiquidity = 24, "no-liquidity",
        /// Time in force DAY: the day ended.
        DayEnd = 25, "day-end",
        /// The venue gave its own reason; the host's log has the text.
        Venue = 26, "venue",
        /// The strategy ended and its order policy is to cancel.
        StrategyEnded = 27, "strategy-ended",
        /// The operator requested it.
        Operator = 28, "operator",
        /// The order would have traded with another of the same account.
        SelfTrade = 29, "self-trade",
        /// A reduce-only order whose position is gone, or smaller than the order.
        PositionClosed = 30, "position-closed",
        /// Another order of its group filled or ended.
        GroupEnded = 31, "group-ended",
        /// The order that it waited for ended without a fill.
        ParentEnded = 32, "parent-ended",
        /// Time in force GTD: its time came.
        DateReached = 33, "date-reached",
    }
}

open_set! {
    /// Whether a fill provided or took liquidity.
    Liquidity {
        /// One that this version does not know.
        Other = 0, "other",
        /// Provided liquidity: the order rested on the book.
        Maker = 1, "maker",
        /// Took liquidity: the order traded at once.
        Taker = 2, "taker",
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

open_set! {
    /// The state of a venue, or of its data for one instrument.
    VenueState {
        /// One that this version does not know.
        Other = 0, "other",
        /// The connection is up.
        Connected = 1, "connected",
        /// The connection is down.
        Disconnected = 2, "disconnected",
        /// Data may be outdated or wrong (after a gap, or during a resynchronisation). Orders that add risk are denied.
        Stale = 3, "stale",
        /// Data is complete again.
        Live = 4, "live",
        /// The venue stopped trading.
        Halted = 5, "halted",
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
