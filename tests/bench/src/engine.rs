//! `engine`: events per second through the whole engine, flat out on a capture that was decoded beforehand.

use crate::deck::{Deck, Market, Nobody, Role};
use crate::row::{Claim, Row, interleave};
use crate::{Effort, guests};
use anyhow::Result;
use std::path::PathBuf;
use tickdeck_engine::EngineConfig;
use tickdeck_strategy::{Host, HostConfig, Limits};

pub(crate) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let host = Host::new(HostConfig::default())?;
    let load = |(name, file): (String, PathBuf)| {
        let module = host.load(&file, &name, &Limits::default())?;
        Ok(Role::of(&module))
    };
    let all: Vec<Role> = guests::modules()?
        .into_iter()
        .map(load)
        .collect::<Result<_>>()?;
    let of = |name| all.iter().filter(move |role| role.name == name);
    let ema: Vec<Role> = of("ema-cross").cloned().collect();
    let market = Market::Captures(&effort.captures);
    let [four, one, none] = interleave(
        effort.rounds,
        [
            &mut || rate(&market, &all),
            &mut || rate(&market, &ema),
            &mut || rate(&market, &[]),
        ],
    )?;
    let against = "the engine without strategies";
    let claim = |bench| Claim {
        bench,
        unit: "events/s",
        against,
        goal: None,
        more_is_better: true,
    };
    Ok(vec![
        claim("engine/four-plugins").row(&four, &none),
        claim("engine/ema-cross").row(&one, &none),
    ])
}

/// Events per second of one run, decoding and start not counted.
fn rate(market: &Market<'_>, roles: &[Role]) -> Result<f64> {
    let deck = Deck::open(market, roles, EngineConfig::default())?;
    let report = deck.engine.run(&mut Nobody)?;
    Ok(report.status.events as f64 / (report.elapsed_ns as f64 / 1e9))
}
