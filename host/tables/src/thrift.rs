//! Walks the Thrift structures of a Parquet file without building any, so that a hostile file's claims are known to be within
//! bounds before the Parquet library allocates memory or recurses by them.

/// Maximum nesting depth of structures; real ones have five.
const MAX_DEPTH: u32 = 16;

/// Bytes of a Thrift structure in the compact protocol.
pub(crate) struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A field of a structure. Numbers have their value, lists their length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) id: i16,
    pub(crate) value: FieldValue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldValue {
    Number(i64),
    List(u64),
    /// Anything else.
    Other,
}

type Walked<T> = Result<T, &'static str>;

impl<'a> Walk<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes walked over.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    /// Walks over a structure. `see` gets every field of it, and of the structures directly in it, with the ids on the way.
    pub(crate) fn structure(
        &mut self,
        depth: u32,
        outer: Option<i16>,
        see: &mut dyn FnMut(Option<i16>, Field) -> Walked<()>,
    ) -> Walked<()> {
        if depth > MAX_DEPTH {
            return Err("it nests too deeply");
        }
        let mut id = 0i16;
        loop {
            let head = self.byte()?;
            let kind = head & 0x0f;
            if kind == 0 {
                return Ok(());
            }
            id = match head >> 4 {
                0 => i16::try_from(self.signed()?).map_err(|_| "it has an impossible field")?,
                delta => id
                    .checked_add(i16::from(delta))
                    .ok_or("it has an impossible field")?,
            };
            let value = match (kind, outer) {
                (12, None) => {
                    self.structure(depth + 1, Some(id), see)?;
                    FieldValue::Other
                }
                _ => self.value(kind, depth)?,
            };
            see(outer, Field { id, value })?;
        }
    }

    fn value(&mut self, kind: u8, depth: u32) -> Walked<FieldValue> {
        match kind {
            1 | 2 => {}
            3 => drop(self.byte()?),
            4..=6 => return Ok(FieldValue::Number(self.signed()?)),
            7 => self.skip(8)?,
            8 => {
                let length = self.unsigned()?;
                self.skip(length)?;
            }
            9 | 10 => return self.list(depth),
            11 => {
                let entries = self.count()?;
                if entries > 0 {
                    let kinds = self.byte()?;
                    for _ in 0..entries {
                        self.element(kinds >> 4, depth)?;
                        self.element(kinds & 0x0f, depth)?;
                    }
                }
            }
            12 => self.structure(depth + 1, Some(-1), &mut |_, _| Ok(()))?,
            13 => self.skip(16)?,
            _ => return Err("it has a field of an unknown kind"),
        }
        Ok(FieldValue::Other)
    }

    fn list(&mut self, depth: u32) -> Walked<FieldValue> {
        let head = self.byte()?;
        let length = match head >> 4 {
            15 => self.count()?,
            short => u64::from(short),
        };
        if length > self.left() {
            return Err("it has a list longer than the rest of it");
        }
        for _ in 0..length {
            self.element(head & 0x0f, depth)?;
        }
        Ok(FieldValue::List(length))
    }

    /// A value within a list or a map, where a truth value takes a byte.
    fn element(&mut self, kind: u8, depth: u32) -> Walked<()> {
        match kind {
            0..=2 => self.byte().map(drop),
            9..=11 if depth >= MAX_DEPTH => Err("it nests too deeply"),
            kind => self.value(kind, depth + 1).map(drop),
        }
    }

    /// A number of elements, of which each takes a byte.
    fn count(&mut self) -> Walked<u64> {
        let count = self.unsigned()?;
        match count <= self.left() {
            true => Ok(count),
            false => Err("it has a list longer than the rest of it"),
        }
    }

    fn left(&self) -> u64 {
        (self.bytes.len() - self.at) as u64
    }

    fn byte(&mut self) -> Walked<u8> {
        let byte = self.bytes.get(self.at).ok_or("it ends early")?;
        self.at += 1;
        Ok(*byte)
    }

    fn skip(&mut self, length: u64) -> Walked<()> {
        if length > self.left() {
            return Err("it ends early");
        }
        self.at += usize::try_from(length).map_err(|_| "it ends early")?;
        Ok(())
    }

    fn unsigned(&mut self) -> Walked<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("it has a number of more than 64 bits")
    }

    fn signed(&mut self) -> Walked<i64> {
        let number = self.unsigned()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(bytes: &[u8]) -> Result<Vec<(Option<i16>, Field)>, &'static str> {
        let mut seen = Vec::new();
        Walk::new(bytes).structure(0, None, &mut |outer, field| {
            seen.push((outer, field));
            Ok(())
        })?;
        Ok(seen)
    }

    #[test]
    fn fields_and_those_of_inner_structures_are_seen_and_the_rest_is_walked_over() {
        // 1: i32 = 7; 2: binary "ab"; 5: { 1: i32 = -1 }; 6: list of 3 i8
        let bytes = [
            0x15, 14, 0x18, 2, b'a', b'b', 0x3c, 0x15, 1, 0, 0x19, 0x33, 1, 2, 3, 0,
        ];
        let number = |id, number| Field {
            id,
            value: FieldValue::Number(number),
        };
        let other = |id| Field {
            id,
            value: FieldValue::Other,
        };
        let list = Field {
            id: 6,
            value: FieldValue::List(3),
        };
        let found = seen(&bytes).unwrap();
        assert_eq!(
            found,
            [
                (None, number(1, 7)),
                (None, other(2)),
                (Some(5), number(1, -1)),
                (None, other(5)),
                (None, list)
            ]
        );
        for cut in 0..bytes.len() {
            assert!(seen(&bytes[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn claims_beyond_the_bytes_are_refused_before_anything_is_reserved() {
        let long = [
            0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0,
        ];
        assert_eq!(seen(&long), Err("it ends early"));
        let list = [0x19, 0xf3, 0xff, 0xff, 0xff, 0xff, 0x07, 0];
        assert_eq!(seen(&list), Err("it has a list longer than the rest of it"));
        assert_eq!(seen(&[0x1c; 1 << 16]), Err("it nests too deeply"));
        assert_eq!(seen(&[0x19; 1 << 16]), Err("it nests too deeply"));
        assert_eq!(seen(&[0x1f, 0]), Err("it has a field of an unknown kind"));
    }
}
