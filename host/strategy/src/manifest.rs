//! The manifest of a strategy: `lifecycle.manifest` in plain Rust, and its rules.

use crate::generated::{lifecycle, types};
use crate::parameter::{MAX_DOC, Parameter, ParameterKind};
use std::collections::HashSet;
use tickdeck_engine::port::OrderPolicy;
use tickdeck_model::name::check_strategy_name;
use tickdeck_model::untrusted::{is_line, quoted};
use tickdeck_model::{BarBasis, Untrusted};

/// Messages that a manifest may list, as `wit/lifecycle.wit` promises.
pub const MAX_MESSAGES: usize = 256;

/// Parameters, subscriptions and schemas that a manifest may list, each.
const MAX_ENTRIES: usize = 256;

/// Bytes of a version, a symbol, a message.
pub(crate) const MAX_SHORT: usize = 256;

/// The identity and the needs of a strategy.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The strategy's own name; a deck may run it under another name.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// Description for users.
    pub doc: Untrusted,
    /// The parameters that a user can set.
    pub parameters: Vec<Parameter>,
    /// The feeds that it receives from its first event on.
    pub subscriptions: Vec<Subscription>,
    /// The texts that `notify` refers to by index.
    pub messages: Vec<Untrusted>,
    /// What happens to working orders when the strategy ends.
    pub order_policy: OrderPolicy,
    /// The schema that `save` writes.
    pub state_schema: u32,
    /// The schemas that `restore` reads.
    pub restores: Vec<u32>,
}

/// A feed. An instrument is a symbol, `*` for all, or `{name}` for the value of the parameter of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subscription {
    /// Best bid and ask.
    Quotes(Untrusted),
    /// Public trades.
    Trades(Untrusted),
    /// Levels of the book.
    Book(Untrusted),
    /// Bars.
    Bars {
        /// A symbol, `*` or `{name}`.
        instrument: Untrusted,
        /// The unit of `step`.
        basis: BarBasis,
        /// In the unit that `basis` names.
        step: u32,
    },
    /// A signal, by its published name, by `NAME/SIGNAL` if it must come from strategy `NAME`, or `{name}`.
    Signals(Untrusted),
    /// The account's balances.
    Accounts,
}

impl Subscription {
    /// Returns the instrument or signal as written.
    pub fn target(&self) -> Option<&Untrusted> {
        match self {
            Self::Quotes(target)
            | Self::Trades(target)
            | Self::Book(target)
            | Self::Signals(target) => Some(target),
            Self::Bars { instrument, .. } => Some(instrument),
            Self::Accounts => None,
        }
    }

    /// Returns the parameter that names the instrument or signal, if there is one.
    pub fn parameter(&self) -> Option<&str> {
        placeholder(self.target()?.raw())
    }
}

/// Returns `name` of `{name}`.
pub(crate) fn placeholder(target: &str) -> Option<&str> {
    target.strip_prefix('{')?.strip_suffix('}')
}

impl Manifest {
    /// Returns the parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters
            .iter()
            .find(|parameter| parameter.name == name)
    }

    /// Checks the manifest's rules.
    ///
    /// # Errors
    /// All broken rules.
    pub fn check(&self) -> Result<(), Vec<String>> {
        let mut problems = self.excesses();
        self.check_identity(&mut problems);
        self.check_parameters(&mut problems);
        for subscription in self.subscriptions.iter().take(MAX_ENTRIES) {
            problems.extend(self.subscription_problem(subscription));
        }
        for (index, message) in self.messages.iter().take(MAX_MESSAGES).enumerate() {
            if !is_short(message) {
                problems.push(format!(
                    "message {index} must be one line of 1 to {MAX_SHORT} bytes"
                ));
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }

    fn check_identity(&self, problems: &mut Vec<String>) {
        problems.extend(check_strategy_name(&self.name).err());
        if !is_version(&self.version) {
            problems.push(format!(
                "version {} is not a semantic version such as 1.2.3",
                quoted(&self.version)
            ));
        }
        if self.doc.left_out() > 0 {
            problems.push(format!("the doc is longer than {MAX_DOC} bytes"));
        }
    }

    /// Returns the lists that are too long. Entries beyond the limits are not inspected: they could be anything.
    fn excesses(&self) -> Vec<String> {
        let counts = [
            ("parameters", self.parameters.len(), MAX_ENTRIES),
            ("subscriptions", self.subscriptions.len(), MAX_ENTRIES),
            ("messages", self.messages.len(), MAX_MESSAGES),
            ("schemas to restore", self.restores.len(), MAX_ENTRIES),
        ];
        let excesses = counts.into_iter().filter(|(_, count, limit)| count > limit);
        excesses
            .map(|(what, count, limit)| format!("{count} {what}, the limit is {limit}"))
            .collect()
    }

    fn check_parameters(&self, problems: &mut Vec<String>) {
        let mut seen = HashSet::new();
        for parameter in self.parameters.iter().take(MAX_ENTRIES) {
            if !seen.insert(parameter.name.as_str()) {
                let name = quoted(&parameter.name);
                problems.push(format!("parameter {name} is listed twice"));
            }
            if let Some(problem) = parameter.problem() {
                problems.push(format!("parameter {}: {problem}", quoted(&parameter.name)));
            }
        }
    }

    fn subscription_problem(&self, subscription: &Subscription) -> Option<String> {
        if let Subscription::Bars { step: 0, .. } = subscription {
            return Some("bars with step 0 never close".to_owned());
        }
        let target = subscription.target()?;
        if !is_short(target) {
            return Some(format!(
                "the subscription to {} is not one line of 1 to {MAX_SHORT} bytes",
                quoted(target.raw())
            ));
        }
        let name = placeholder(target.raw())?;
        let Some(parameter) = self.parameter(name) else {
            return Some(format!(
                "the subscription to `{target}` refers to a missing parameter {}",
                quoted(name)
            ));
        };
        let wanted = match subscription {
            Subscription::Signals(_) => ParameterKind::Text,
            _ => ParameterKind::Instrument,
        };
        (parameter.kind != wanted).then(|| {
            format!(
                "the subscription to `{target}` needs parameter {} to be of kind {wanted}, but it is {}",
                quoted(name),
                parameter.kind
            )
        })
    }
}

/// Whether the text was kept whole and is one line that is not empty.
fn is_short(text: &Untrusted) -> bool {
    !text.raw().is_empty() && text.left_out() == 0 && is_line(text.raw(), MAX_SHORT)
}

/// Keeps a symbol, the name of a signal or a message.
fn short(text: &str) -> Untrusted {
    Untrusted::up_to(MAX_SHORT, text)
}

/// Whether the text is `1.2.3`, with an optional suffix after `-` or `+`.
fn is_version(version: &str) -> bool {
    let (numbers, rest) = version.split_at(version.find(['-', '+']).unwrap_or(version.len()));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
    version.len() <= MAX_SHORT
        && numbers.split('.').count() == 3
        && numbers.split('.').all(is_number)
        && rest.len() != 1
        && rest.bytes().all(allowed)
}

impl From<lifecycle::Manifest> for Manifest {
    fn from(wire: lifecycle::Manifest) -> Self {
        Self {
            name: wire.name,
            version: wire.version,
            doc: Untrusted::up_to(MAX_DOC, &wire.doc),
            parameters: wire.parameters.into_iter().map(Into::into).collect(),
            subscriptions: wire.subscriptions.into_iter().map(Into::into).collect(),
            messages: wire.messages.iter().map(|text| short(text)).collect(),
            order_policy: match wire.order_policy {
                lifecycle::OrderPolicy::Cancel => OrderPolicy::Cancel,
                lifecycle::OrderPolicy::Hold => OrderPolicy::Hold,
            },
            state_schema: wire.state_schema,
            restores: wire.restores,
        }
    }
}

impl From<lifecycle::Subscription> for Subscription {
    fn from(wire: lifecycle::Subscription) -> Self {
        match wire {
            lifecycle::Subscription::Quotes(target) => Self::Quotes(short(&target)),
            lifecycle::Subscription::Trades(target) => Self::Trades(short(&target)),
            lifecycle::Subscription::Book(target) => Self::Book(short(&target)),
            lifecycle::Subscription::Signals(target) => Self::Signals(short(&target)),
            lifecycle::Subscription::Accounts => Self::Accounts,
            lifecycle::Subscription::Bars(bars) => Self::Bars {
                instrument: short(&bars.instrument),
                basis: match bars.basis {
                    types::BarBasis::Time => BarBasis::Time,
                    types::BarBasis::Trades => BarBasis::Trades,
                    types::BarBasis::Volume => BarBasis::Volume,
                },
                step: bars.step,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, kind: ParameterKind) -> Parameter {
        Parameter {
            name: name.to_owned(),
            doc: Untrusted::default(),
            kind,
            default: None,
            minimum: None,
            maximum: None,
        }
    }

    fn manifest() -> Manifest {
        Manifest {
            name: "ema-cross".to_owned(),
            version: "1.0.0-rc.1".to_owned(),
            doc: Untrusted::default(),
            parameters: vec![parameter("symbol", ParameterKind::Instrument)],
            subscriptions: vec![Subscription::Trades("{symbol}".into())],
            messages: vec!["crossed".into()],
            order_policy: OrderPolicy::Cancel,
            state_schema: 1,
            restores: vec![1],
        }
    }

    #[test]
    fn every_broken_rule_is_named_at_once() {
        assert_eq!(manifest().check(), Ok(()));
        let mut broken = manifest();
        broken.name = "bad name".to_owned();
        broken.version = "1.0".to_owned();
        broken.messages = vec![Untrusted::new("fine"); MAX_MESSAGES + 1];
        let symbol = broken.parameters[0].clone();
        broken.parameters.push(symbol);
        broken.subscriptions = vec![
            Subscription::Quotes("{nope}".into()),
            Subscription::Signals("{symbol}".into()),
            Subscription::Bars {
                instrument: "*".into(),
                basis: BarBasis::Time,
                step: 0,
            },
        ];
        let problems = broken.check().unwrap_err();
        let parts = [
            "`bad name`",
            "`1.0`",
            "257 messages",
            "`symbol` is listed twice",
            "missing parameter `nope`",
            "kind text",
            "step 0",
        ];
        assert_eq!(problems.len(), parts.len(), "{problems:?}");
        for part in parts {
            assert!(
                problems.iter().any(|problem| problem.contains(part)),
                "{part}: {problems:?}"
            );
        }
    }
}
