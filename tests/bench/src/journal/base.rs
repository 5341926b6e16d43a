//! What is asked of every base.

use anyhow::Result;

/// Something that records can be appended to.
pub(super) trait Base {
    /// Appends a record. Now and then, makes durable what was appended and deletes what is old, as the base does it best.
    fn append(&mut self, payload: &[u8]) -> Result<()>;

    /// Ends it in order.
    fn close(self: Box<Self>) -> Result<()>;
}
