//! The numbers of strategies that are compared.

pub(super) const MANY: usize = 1_000;
pub(super) const FEW: usize = 10;
