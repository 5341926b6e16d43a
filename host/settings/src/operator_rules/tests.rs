//! Tables of cases: what the deck states, what is asked for, what was granted, and what follows.

use super::*;
use crate::config::PluginSettings;
use std::collections::BTreeSet;
use tickdeck_engine::{OrderLimits, OrderRate};
use tickdeck_model::{Amount, Instrument, InstrumentId, OrderType, Price, Size, VenueId};

fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.add_venue("SIM");
    registry.add_venue("OTHER");
    let base = registry.add_currency("BTC", 8).unwrap();
    let quote = registry.add_currency("USDT", 8).unwrap();
    let symbols = ["BTCUSDT.SIM", "ETHUSDT.SIM", "SOLUSDT.OTHER"];
    for (symbol, venue) in symbols.into_iter().zip([0, 0, 1]) {
        let terms = Instrument {
            id: InstrumentId(0),
            venue: VenueId(venue),
            symbol: symbol.to_owned(),
            base,
            quote,
            price_scale: 2,
            size_scale: 3,
            quote_scale: 8,
            tick: Price(1),
            lot: Size(1),
            min_notional: Amount(1),
        };
        registry.add_instrument(terms).unwrap();
    }
    registry
}

fn rules(deck: &str) -> OperatorRules {
    let config = Config::parse("tickdeck.toml", deck).unwrap();
    let strategy = config.strategies.get("a").cloned().unwrap_or_default();
    OperatorRules::of(&config, &strategy, &registry()).unwrap()
}

fn stated(permissions: &str) -> PermissionRequest {
    let text = format!("[permissions]\n{permissions}");
    let plugin = PluginSettings::parse("a.toml", &text).unwrap();
    plugin.request(&registry()).unwrap()
}

fn set<T: Ord + Clone>(items: &[T]) -> Option<BTreeSet<T>> {
    Some(items.iter().cloned().collect())
}

#[test]
fn a_plugin_that_asks_for_nothing_gets_the_defaults_of_the_deck() {
    let decision = rules("").decide(&PermissionRequest::default(), None);
    assert_eq!(decision.permissions, Permissions::default());
    assert_eq!(decision.permissions.max_notional, Some(25_000));
    assert!(decision.increases.is_empty() && decision.overruled.is_empty());
    let deck = "[risk]\nmax_notional = 5\nallow = [\"ETHUSDT\"]\n[risk.instruments.BTCUSDT]\nmax_size = 0.5\n\
                [wasm]\nmemory_mib = 8\ntime_ms = 3\n[strategies.a]\ntime_ms = 4\n\
                [strategies.a.risk]\norder_types = [\"limit\"]\norder_rate = false\n";
    let given = rules(deck).defaults();
    assert_eq!((given.max_notional, given.order_rate), (Some(5), None));
    assert_eq!((given.memory_mib, given.time_ms), (8, 4));
    assert_eq!(given.instruments, set(&["ETHUSDT.SIM".to_owned()]));
    assert_eq!(given.order_types, set(&[OrderType::Limit]));
    assert_eq!(given.max_sizes["BTCUSDT.SIM"].to_string(), "0.5");
}

#[test]
fn without_a_request_the_limits_of_the_engine_are_those_of_the_settings() {
    let deck = "[risk]\nmax_notional = 5\ncollar_bps = 7\nallow = [\"ETHUSDT\"]\nvenues = [\"SIM\"]\n\
                [strategies.a.risk]\norder_types = [\"stop\", \"limit\"]\norder_rate = false\n";
    for deck in ["", "[risk]\nvenues = [\"OTHER\"]\n", deck] {
        let config = Config::parse("tickdeck.toml", deck).unwrap();
        let strategy = config.strategies.get("a").cloned().unwrap_or_default();
        let base = crate::risk_limits::of_strategy(&config, &registry(), &strategy.risk).unwrap();
        let given = rules(deck).defaults();
        let limits = given.engine_limits(base.clone(), &registry());
        assert_eq!(limits, base, "{deck}");
    }
}

#[test]
fn a_narrower_request_needs_no_approval() {
    let asked = stated(
        "venues = [\"SIM\"]\ninstruments = [\"BTCUSDT\", \"SOLUSDT\"]\norder_types = [\"limit\"]\n\
         max_size = { BTCUSDT = 0.25 }\nmax_notional = 1\nmax_position_notional = 2\n\
         order_rate = { orders = 1, window_ms = 1000 }\n[limits]\nmemory_mib = 1\ntime_ms = 1\n",
    );
    let decision = rules("").decide(&asked, None);
    assert!(decision.increases.is_empty(), "{:?}", decision.increases);
    assert_eq!(decision.approval, PermissionRequest::default());
    assert_eq!(decision.permissions, asked.over(&Permissions::default()));
    let limits = decision
        .permissions
        .engine_limits(OrderLimits::default(), &registry());
    let expected = OrderLimits {
        max_notional: Some(Amount(1)),
        max_position_notional: Some(Amount(2)),
        order_rate: Some(OrderRate {
            orders: 1,
            window_ns: 1_000_000_000,
        }),
        allow: Some(vec![InstrumentId(0)]),
        order_types: Some(vec![OrderType::Limit]),
        max_sizes: [(InstrumentId(0), Size(250))].into(),
        ..OrderLimits::default()
    };
    assert_eq!(limits, expected, "SOLUSDT is on the other venue");
    let permissions = &decision.permissions;
    assert_eq!((permissions.memory_mib, permissions.time_ms), (1, 1));
}

#[test]
fn each_increase_is_described_and_has_no_effect_before_it_is_granted() {
    let deck = "[risk]\nvenues = [\"SIM\"]\nallow = [\"BTCUSDT\"]\norder_types = [\"limit\"]\n\
                [risk.instruments.BTCUSDT]\nmax_size = 0.5\n";
    let asked = stated(
        "venues = [\"SIM\", \"OTHER\"]\ninstruments = [\"BTCUSDT\", \"ETHUSDT\"]\norder_types = [\"stop\"]\n\
         max_size = { BTCUSDT = 0.75, ETHUSDT = 1 }\nmax_notional = 50_000\nmax_position_notional = 100_001\n\
         order_rate = { orders = 1000, window_ms = 1000 }\n[limits]\nmemory_mib = 4096\ntime_ms = 16\n",
    );
    let rules = rules(deck);
    let decision = rules.decide(&asked, None);
    assert_eq!(
        decision.increases,
        [
            "venues: asks for OTHER, granted SIM",
            "instruments: asks for ETHUSDT.SIM, granted BTCUSDT.SIM",
            "order_types: asks for stop, granted limit",
            "max_size of BTCUSDT.SIM: asks for 0.75, granted 0.5",
            "max_notional: asks for 50,000, granted 25,000",
            "max_position_notional: asks for 100,001, granted 100,000",
            "order_rate: asks for 1,000 orders in 1,000 ms, granted 100 orders in 1,000 ms",
            "memory_mib: asks for 4,096, granted 64",
            "time_ms: asks for 16, granted 15",
        ]
    );
    let granted = rules.granted(None);
    assert!(decision.permissions.increases(&granted).is_empty());
    assert_eq!(decision.permissions.order_types, set(&[]));
    assert_eq!(decision.permissions.max_notional, Some(25_000));

    let approved = rules.decide(&asked, Some(&decision.approval));
    assert!(approved.increases.is_empty(), "{:?}", approved.increases);
    assert_eq!(approved.permissions, asked.over(&rules.defaults()));
}

#[test]
fn the_section_of_the_strategy_overrides_request_and_grant() {
    let rules = rules("[strategies.a]\nmemory_mib = 8\n[strategies.a.risk]\nmax_notional = 10\n");
    let asked = stated("max_notional = 20\n[limits]\nmemory_mib = 9\ntime_ms = 30\n");
    let grant = stated("max_notional = 20\n[limits]\nmemory_mib = 9\n");
    for grant in [None, Some(&grant)] {
        let decision = rules.decide(&asked, grant);
        assert_eq!(decision.permissions.max_notional, Some(10));
        assert_eq!(decision.permissions.memory_mib, 8);
        assert_eq!(decision.increases, ["time_ms: asks for 30, granted 15"]);
        assert_eq!(
            decision.overruled,
            [
                "max_notional: asks for 20, granted 10",
                "memory_mib: asks for 9, granted 8"
            ]
        );
    }
    let decision = rules.decide(&stated("max_notional = 5"), None);
    assert_eq!(decision.permissions.max_notional, Some(5), "less is fine");
    let unlimited = self::rules("[strategies.a.risk]\nmax_notional = false\n");
    let decision = unlimited.decide(&stated("max_notional = 1_000_000"), None);
    assert_eq!(decision.permissions.max_notional, Some(1_000_000));
    assert!(decision.increases.is_empty());
}

#[test]
fn a_grant_only_widens_and_only_what_was_approved() {
    let grant = stated("max_notional = 50_000\ninstruments = [\"ETHUSDT\"]");
    let narrow =
        rules("[risk]\nallow = [\"BTCUSDT\"]\norder_rate = { orders = 1, window_ms = 5 }\n");
    let granted = narrow.granted(Some(&grant));
    assert_eq!(granted.max_notional, Some(50_000));
    assert_eq!(
        granted.instruments,
        set(&["BTCUSDT.SIM".to_owned(), "ETHUSDT.SIM".to_owned()])
    );
    assert_eq!(granted.order_rate.unwrap().orders, 1, "the deck's own");
    let wide = rules("[risk]\nmax_notional = 90_000\n").granted(Some(&grant));
    assert_eq!(wide.max_notional, Some(90_000));
    assert_eq!(wide.instruments, None, "a deck without a list allows all");
    // Granted, but no longer asked for.
    let decision = narrow.decide(&PermissionRequest::default(), Some(&grant));
    assert_eq!(decision.permissions, narrow.defaults());
}

#[test]
fn a_further_approval_adds_to_the_one_before() {
    let rules = rules("[risk]\nallow = []\n");
    let first = rules.decide(
        &stated("max_notional = 50_000\ninstruments = [\"BTCUSDT\"]"),
        None,
    );
    let next =
        stated("instruments = [\"ETHUSDT\"]\nmax_size = { BTCUSDT = 3 }\n[limits]\ntime_ms = 40\n");
    let second = rules.decide(&next, Some(&first.approval));
    assert_eq!(
        second.increases,
        [
            "instruments: asks for ETHUSDT.SIM, granted BTCUSDT.SIM",
            "time_ms: asks for 40, granted 15"
        ]
    );
    let both = stated(
        "max_notional = 50_000\ninstruments = [\"BTCUSDT\", \"ETHUSDT\"]\n[limits]\ntime_ms = 40\n",
    );
    assert_eq!(second.approval, both);
}

#[test]
fn names_that_the_deck_does_not_know_are_reported_with_their_lines() {
    let text = "[permissions]\nvenues = [\"SYM\"]\ninstruments = [\"BTCUSD\"]\n\
                max_size = { DOGE = 1, BTCUSDT = 0.00001 }\n";
    let plugin = PluginSettings::parse("a.toml", text).unwrap();
    let problems = plugin.request(&registry()).unwrap_err().to_string();
    assert_eq!(
        problems.lines().collect::<Vec<_>>(),
        [
            "no venue `SYM` in this deck at a.toml:2, did you mean `SIM`?",
            "no instrument `BTCUSD` in this deck at a.toml:3, did you mean `BTCUSDT`?",
            "`max_size`: `0.00001` has more than 3 decimal digits at a.toml:4, \
             sizes of BTCUSDT.SIM have 3 decimal digits",
            "no instrument `DOGE` in this deck at a.toml:4, it has BTCUSDT.SIM, ETHUSDT.SIM, SOLUSDT.OTHER",
        ]
    );
}

#[test]
fn publishing_a_signal_is_granted_like_any_other_permission() {
    let rules = rules("[risk]\npublish = [\"mood\"]\n");
    let decision = rules.decide(&stated("publish = [\"mood\", \"cross\"]"), None);
    assert_eq!(
        decision.increases,
        ["publish: asks for cross, granted mood"]
    );
    assert_eq!(decision.permissions.publish, set(&["mood".to_owned()]));
    let granted = rules.decide(&stated("publish = [\"cross\"]"), Some(&decision.approval));
    assert!(granted.increases.is_empty());
    let mut registry = registry();
    let cross = registry.add_text("cross");
    let limits = granted
        .permissions
        .engine_limits(OrderLimits::default(), &registry);
    assert_eq!(limits.publish, Some(vec![cross]));
    let hidden = rules.decide(&stated("publish = [\"mood\\u202E\"]"), None);
    assert_eq!(
        hidden.increases,
        [r"publish: asks for mood\u{202e}, granted mood"]
    );
}

#[test]
fn an_abridged_request_tells_two_requests_apart() {
    let asks = |last: &str| {
        let names: Vec<String> = (10..40).map(|name| format!("\"s{name}\"")).collect();
        let request = stated(&format!("publish = [{}, \"{last}\"]", names.join(", ")));
        rules("[risk]\npublish = []\n")
            .decide(&request, None)
            .asks()
    };
    let (one, other) = (asks("x"), asks("y"));
    assert!(
        one.starts_with("publish: asks for s10, s11, ") && one.contains(" and 23 more"),
        "{one}"
    );
    assert_ne!(one, other);
    assert_eq!(
        rules("")
            .decide(&stated("max_notional = 30000"), None)
            .asks(),
        "max_notional: asks for 30,000, granted 25,000"
    );
}
