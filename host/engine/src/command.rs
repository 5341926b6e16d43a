//! Operators' commands, and what is known about one once it is in force.

use tickdeck_model::{ClientOrderId, StrategyId};

/// A command of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorCommand {
    /// New orders of one strategy, or of all, are denied; cancels pass.
    Pause(Option<StrategyId>),
    /// Only orders that reduce a position pass.
    Reduce(Option<StrategyId>),
    /// Returns to normal; does not lift a kill.
    Resume(Option<StrategyId>),
    /// Cancels every order and denies new ones until the latch is cleared.
    Kill,
    /// The run ends: new orders are denied, and those of strategies that do not hold them are canceled.
    Stop,
}

impl OperatorCommand {
    /// Returns the name, as reels spell it, and the strategy that the command concerns; none for all.
    pub const fn to_parts(self) -> (&'static str, Option<StrategyId>) {
        match self {
            Self::Pause(strategy) => ("pause", strategy),
            Self::Reduce(strategy) => ("reduce", strategy),
            Self::Resume(strategy) => ("resume", strategy),
            Self::Kill => ("kill", None),
            Self::Stop => ("stop", None),
        }
    }

    /// Returns the command with this name, if there is one.
    pub fn from_parts(name: &str, strategy: Option<StrategyId>) -> Option<Self> {
        let commands = [
            Self::Pause(strategy),
            Self::Reduce(strategy),
            Self::Resume(strategy),
            Self::Kill,
            Self::Stop,
        ];
        commands
            .into_iter()
            .find(|command| command.to_parts().0 == name)
    }
}

/// What holds from the moment a command is in force: no order that it forbids leaves any more, and the cancel of every order
/// that it cancels has been handed to its gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandInForce {
    /// The number of events that the router had processed: the command's place on the reel.
    pub position: u64,
    /// Working orders whose cancel was handed to their gateway, now or earlier.
    pub canceling: Vec<ClientOrderId>,
    /// Working orders whose cancel could not be handed over, because their venue is broken.
    pub unreachable: Vec<ClientOrderId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_again_by_its_name() {
        for strategy in [None, Some(StrategyId(3))] {
            for command in [
                OperatorCommand::Pause(strategy),
                OperatorCommand::Reduce(strategy),
                OperatorCommand::Resume(strategy),
                OperatorCommand::Kill,
                OperatorCommand::Stop,
            ] {
                let (name, strategy) = command.to_parts();
                assert_eq!(OperatorCommand::from_parts(name, strategy), Some(command));
            }
        }
        assert_eq!(OperatorCommand::from_parts("flatten", None), None);
    }
}
