//! Exit codes: 0 success, 1 failure (one sentence on standard error), and the codes below.

use std::process::ExitCode;
use tickdeck_control::ControlError;

/// A command line that cannot be carried out; also the code for one that cannot be parsed.
pub const USAGE_ERROR: u8 = 2;
/// A command to a host that is not running.
pub const NO_HOST: u8 = 3;
/// A run that ended as it should on data with faults, or a check that found some.
pub const DATA_FAULTS: u8 = 4;
/// A check of data that can't be read to its end.
pub const DATA_BROKEN: u8 = 5;
/// A command that a signal ended before it was done.
pub const INTERRUPTED: u8 = 130;

/// Returns the exit code for an error.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref() {
        Some(ControlError::NobodyListens) => ExitCode::from(NO_HOST),
        _ => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_host_has_an_exit_code_of_its_own() {
        let none = anyhow::Error::from(ControlError::NobodyListens);
        assert_eq!(exit_code(&none), ExitCode::from(3));
        let other = anyhow::anyhow!("no strategy is named `x`");
        assert_eq!(exit_code(&other), ExitCode::from(1));
    }
}
