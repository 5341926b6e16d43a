//! The protocol between the host and its compiler, over two pipes.
//!
//! A job is a header, whose length precedes it in four bytes, and the bytes of the module until the pipe ends. An answer is
//! a header of the same form, and the machine code until the pipe ends. Both sides are the same program, so the form may
//! change with every version.

use crate::error::LoadError;
use crate::load::Shape;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

/// Maximum size of a header in bytes: names of a module's imports and exports, or an error.
const MAX_HEADER: usize = 1 << 20;

/// The header of a job.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct JobHeader {
    pub(super) file: String,
    pub(super) nan_canonicalisation: bool,
}

/// The header of an answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AnswerHeader {
    pub(super) is_confined: bool,
    pub(super) outcome: Result<Compiled, LoadError>,
}

/// What precedes the machine code.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Compiled {
    pub(super) shape: Shape,
    pub(super) compatibility: u64,
}

/// Writes a header, preceded by its length.
pub(super) fn write_header(to: &mut impl Write, header: &impl Serialize) -> io::Result<()> {
    let bytes = postcard::to_allocvec(header).map_err(invalid)?;
    let length = u32::try_from(bytes.len()).map_err(invalid)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&bytes)
}

/// Reads a header.
pub(super) fn read_header<T: for<'a> Deserialize<'a>>(from: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_HEADER {
        return Err(invalid(format!("a header of {length} bytes")));
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    postcard::from_bytes(&bytes).map_err(invalid)
}

fn invalid(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_arrives_as_it_was_sent() {
        let file = || "x.wasm".to_owned();
        for error in [
            LoadError::TooLarge {
                file: file(),
                limit_mib: 64,
            },
            LoadError::Shape {
                file: file(),
                problem: "it is".to_owned(),
            },
            LoadError::Engine {
                problem: "none".to_owned(),
            },
        ] {
            let text = error.to_string();
            let mut sent = Vec::new();
            let header = AnswerHeader {
                is_confined: true,
                outcome: Err(error),
            };
            write_header(&mut sent, &header).unwrap();
            let got: AnswerHeader = read_header(&mut &*sent).unwrap();
            assert_eq!(got.outcome.unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn a_header_that_is_cut_or_claims_too_much_is_an_error() {
        let mut sent = Vec::new();
        let header = JobHeader {
            file: "x.wasm".to_owned(),
            nan_canonicalisation: true,
        };
        write_header(&mut sent, &header).unwrap();
        for at in 0..sent.len() {
            assert!(
                read_header::<JobHeader>(&mut &sent[..at]).is_err(),
                "cut at {at}"
            );
        }
        assert!(read_header::<JobHeader>(&mut &[0xff_u8; 64][..]).is_err());
    }
}
