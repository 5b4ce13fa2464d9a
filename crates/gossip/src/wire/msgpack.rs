//! The msgpack dialect of the Go agents: one raw type for text and bytes (no `str8`, no `bin`),
//! `nil` for empty slices, structs as maps keyed by field name. Reading is lenient (newer types
//! are understood), writing uses the old types only.

use super::WireError;

/// Reads values from a byte slice; every error leaves the input untrusted and unused.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// Bytes consumed so far.
    pub fn position(&self) -> usize {
        self.at
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    fn byte(&mut self) -> Result<u8, WireError> {
        let byte = *self.bytes.get(self.at).ok_or(WireError::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    /// The next `len` bytes as they are.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let end = self.at.checked_add(len).ok_or(WireError::Truncated)?;
        let slice = self.bytes.get(self.at..end).ok_or(WireError::Truncated)?;
        self.at = end;
        Ok(slice)
    }

    fn big_endian(&mut self, len: usize) -> Result<u64, WireError> {
        Ok(self.take(len)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// Length of a map; `nil` is an empty one.
    pub fn map(&mut self) -> Result<usize, WireError> {
        match self.byte()? {
            0xc0 => Ok(0),
            head @ 0x80..=0x8f => Ok(usize::from(head & 0x0f)),
            0xde => Ok(self.big_endian(2)? as usize),
            0xdf => Ok(self.big_endian(4)? as usize),
            head => Err(WireError::Type { expected: "map", found: head }),
        }
    }

    /// Length of an array; `nil` is an empty one.
    pub fn array(&mut self) -> Result<usize, WireError> {
        match self.byte()? {
            0xc0 => Ok(0),
            head @ 0x90..=0x9f => Ok(usize::from(head & 0x0f)),
            0xdc => Ok(self.big_endian(2)? as usize),
            0xdd => Ok(self.big_endian(4)? as usize),
            head => Err(WireError::Type { expected: "array", found: head }),
        }
    }

    /// Text or bytes; `nil` is empty.
    pub fn raw(&mut self) -> Result<&'a [u8], WireError> {
        let len = match self.byte()? {
            0xc0 => 0,
            head @ 0xa0..=0xbf => usize::from(head & 0x1f),
            0xc4 | 0xd9 => self.big_endian(1)? as usize,
            0xc5 | 0xda => self.big_endian(2)? as usize,
            0xc6 | 0xdb => self.big_endian(4)? as usize,
            head => return Err(WireError::Type { expected: "raw", found: head }),
        };
        self.take(len)
    }

    /// Text.
    pub fn text(&mut self) -> Result<String, WireError> {
        let bytes = self.raw()?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| WireError::NotUtf8)
    }

    /// A number that is not negative; `nil` is 0.
    pub fn unsigned(&mut self) -> Result<u64, WireError> {
        let value = self.signed()?;
        u64::try_from(value).map_err(|_| WireError::Range)
    }

    /// An unsigned number of at most 32 bits.
    pub fn u32(&mut self) -> Result<u32, WireError> {
        u32::try_from(self.unsigned()?).map_err(|_| WireError::Range)
    }

    /// An unsigned number of at most 16 bits.
    pub fn u16(&mut self) -> Result<u16, WireError> {
        u16::try_from(self.unsigned()?).map_err(|_| WireError::Range)
    }

    /// Any integer; `nil` is 0.
    pub fn signed(&mut self) -> Result<i128, WireError> {
        let head = self.byte()?;
        Ok(match head {
            0xc0 => 0,
            0x00..=0x7f => i128::from(head),
            0xe0..=0xff => i128::from(head as i8),
            0xcc => i128::from(self.big_endian(1)?),
            0xcd => i128::from(self.big_endian(2)?),
            0xce => i128::from(self.big_endian(4)?),
            0xcf => i128::from(self.big_endian(8)?),
            0xd0 => i128::from(self.big_endian(1)? as u8 as i8),
            0xd1 => i128::from(self.big_endian(2)? as u16 as i16),
            0xd2 => i128::from(self.big_endian(4)? as u32 as i32),
            0xd3 => i128::from(self.big_endian(8)? as i64),
            _ => return Err(WireError::Type { expected: "integer", found: head }),
        })
    }

    /// A floating point number; integers are taken too.
    pub fn float(&mut self) -> Result<f64, WireError> {
        match self.bytes.get(self.at) {
            Some(0xca) => {
                self.at += 1;
                Ok(f64::from(f32::from_bits(self.big_endian(4)? as u32)))
            }
            Some(0xcb) => {
                self.at += 1;
                Ok(f64::from_bits(self.big_endian(8)?))
            }
            _ => Ok(self.signed()? as f64),
        }
    }

    /// A truth value; `nil` is false.
    pub fn boolean(&mut self) -> Result<bool, WireError> {
        match self.byte()? {
            0xc0 | 0xc2 => Ok(false),
            0xc3 => Ok(true),
            head => Err(WireError::Type { expected: "bool", found: head }),
        }
    }

    /// Steps over one value of any type, nested or not, without recursion.
    pub fn skip(&mut self) -> Result<(), WireError> {
        let mut scanner = Scanner::new(1);
        let used = scanner.feed(self.rest())?;
        self.at += used;
        if scanner.is_done() { Ok(()) } else { Err(WireError::Truncated) }
    }
}

/// Finds where msgpack values end while their bytes arrive in pieces. Holds two counters and at
/// most nine bytes, so a peer that trickles costs nothing.
#[derive(Clone, Debug)]
pub struct Scanner {
    values: u64,
    skip: u64,
    head: Option<(u8, u8)>,
    length: u64,
}

impl Scanner {
    /// Waits for `values` complete values.
    pub fn new(values: u64) -> Scanner {
        Scanner { values, skip: 0, head: None, length: 0 }
    }

    /// All values have ended.
    pub fn is_done(&self) -> bool {
        self.values == 0 && self.skip == 0 && self.head.is_none()
    }

    /// Takes bytes up to the end of the last value; returns how many were used.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<usize, WireError> {
        let mut at = 0;
        while at < bytes.len() && !self.is_done() {
            if self.skip > 0 {
                let step = self.skip.min((bytes.len() - at) as u64);
                self.skip -= step;
                at += step as usize;
                continue;
            }
            let byte = bytes[at];
            at += 1;
            if let Some((kind, left)) = self.head {
                self.length = self.length << 8 | u64::from(byte);
                if left > 1 {
                    self.head = Some((kind, left - 1));
                } else {
                    self.head = None;
                    self.end_length(kind)?;
                }
            } else {
                self.begin(byte)?;
            }
        }
        Ok(at)
    }

    fn begin(&mut self, head: u8) -> Result<(), WireError> {
        self.length = 0;
        self.values -= 1;
        match head {
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => {}
            0x80..=0x8f => self.add(2 * u64::from(head & 0x0f))?,
            0x90..=0x9f => self.add(u64::from(head & 0x0f))?,
            0xa0..=0xbf => self.skip = u64::from(head & 0x1f),
            0xc4 | 0xc7 | 0xd9 => self.head = Some((head, 1)),
            0xc5 | 0xc8 | 0xda | 0xdc | 0xde => self.head = Some((head, 2)),
            0xc6 | 0xc9 | 0xdb | 0xdd | 0xdf => self.head = Some((head, 4)),
            0xca | 0xce | 0xd2 => self.skip = 4,
            0xcb | 0xcf | 0xd3 => self.skip = 8,
            0xcc | 0xd0 => self.skip = 1,
            0xcd | 0xd1 => self.skip = 2,
            0xd4..=0xd8 => self.skip = 1 + (1 << (head - 0xd4)),
            0xc1 => return Err(WireError::Type { expected: "value", found: head }),
        }
        Ok(())
    }

    fn end_length(&mut self, kind: u8) -> Result<(), WireError> {
        match kind {
            0xdc | 0xdd => self.add(self.length),
            0xde | 0xdf => self.add(2 * self.length),
            0xc7..=0xc9 => {
                self.skip = self.length + 1;
                Ok(())
            }
            _ => {
                self.skip = self.length;
                Ok(())
            }
        }
    }

    fn add(&mut self, values: u64) -> Result<(), WireError> {
        // A value has at least one byte, so this many can never arrive within the stream limit.
        let total = self.values + values;
        if total > crate::limits::STREAM_BYTES_MAX as u64 {
            return Err(WireError::TooLong { what: "msgpack collection", max: crate::limits::STREAM_BYTES_MAX });
        }
        self.values = total;
        Ok(())
    }
}

/// Writes values in the old dialect.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Starts with one message-type byte.
    pub fn message(kind: u8) -> Writer {
        Writer { bytes: vec![kind] }
    }

    /// Starts empty.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Head of a map with `len` pairs.
    pub fn map(&mut self, len: usize) -> &mut Writer {
        match len {
            0..=15 => self.bytes.push(0x80 | len as u8),
            16..=0xffff => self.head16(0xde, len),
            _ => self.head32(0xdf, len),
        }
        self
    }

    /// Head of an array with `len` values.
    pub fn array(&mut self, len: usize) -> &mut Writer {
        match len {
            0..=15 => self.bytes.push(0x90 | len as u8),
            16..=0xffff => self.head16(0xdc, len),
            _ => self.head32(0xdd, len),
        }
        self
    }

    /// Text or bytes.
    pub fn raw(&mut self, raw: &[u8]) -> &mut Writer {
        match raw.len() {
            0..=31 => self.bytes.push(0xa0 | raw.len() as u8),
            32..=0xffff => self.head16(0xda, raw.len()),
            _ => self.head32(0xdb, raw.len()),
        }
        self.bytes.extend_from_slice(raw);
        self
    }

    /// Text.
    pub fn text(&mut self, text: &str) -> &mut Writer {
        self.raw(text.as_bytes())
    }

    /// Bytes, `nil` when empty, as Go writes an unset slice.
    pub fn slice(&mut self, raw: &[u8]) -> &mut Writer {
        if raw.is_empty() { self.nil() } else { self.raw(raw) }
    }

    /// Nothing.
    pub fn nil(&mut self) -> &mut Writer {
        self.bytes.push(0xc0);
        self
    }

    /// A truth value.
    pub fn boolean(&mut self, value: bool) -> &mut Writer {
        self.bytes.push(0xc2 | u8::from(value));
        self
    }

    /// An unsigned number in its shortest form.
    pub fn unsigned(&mut self, value: u64) -> &mut Writer {
        match value {
            0..=0x7f => self.bytes.push(value as u8),
            0x80..=0xff => self.bytes.extend_from_slice(&[0xcc, value as u8]),
            0x100..=0xffff => self.head16(0xcd, value as usize),
            0x1_0000..=0xffff_ffff => self.head32(0xce, value as usize),
            _ => {
                self.bytes.push(0xcf);
                self.bytes.extend_from_slice(&value.to_be_bytes());
            }
        }
        self
    }

    /// A double.
    pub fn float(&mut self, value: f64) -> &mut Writer {
        self.bytes.push(0xcb);
        self.bytes.extend_from_slice(&value.to_bits().to_be_bytes());
        self
    }

    /// Bytes that are already encoded.
    pub fn append(&mut self, encoded: &[u8]) -> &mut Writer {
        self.bytes.extend_from_slice(encoded);
        self
    }

    fn head16(&mut self, head: u8, len: usize) {
        self.bytes.push(head);
        self.bytes.extend_from_slice(&(len as u16).to_be_bytes());
    }

    fn head32(&mut self, head: u8, len: usize) {
        self.bytes.push(head);
        self.bytes.extend_from_slice(&(len as u32).to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scanner_finds_the_end_byte_by_byte() {
        let mut writer = Writer::new();
        writer.map(2).text("a").array(2).unsigned(70_000).raw(&[7; 300]).text("b").nil();
        let bytes = writer.finish();
        let mut scanner = Scanner::new(1);
        for (i, byte) in bytes.iter().enumerate() {
            assert!(!scanner.is_done(), "ended early at {i}");
            assert_eq!(scanner.feed(&[*byte]).unwrap(), 1);
        }
        assert!(scanner.is_done());
        let mut reader = Reader::new(&bytes);
        reader.skip().unwrap();
        assert!(reader.rest().is_empty());
    }

    #[test]
    fn numbers_survive_in_every_width() {
        for value in [0, 127, 128, 255, 256, 65_535, 65_536, u64::from(u32::MAX), u64::MAX] {
            let mut writer = Writer::new();
            writer.unsigned(value);
            assert_eq!(Reader::new(&writer.finish()).unsigned().unwrap(), value);
        }
        assert_eq!(Reader::new(&[0xff]).signed().unwrap(), -1);
        assert_eq!(Reader::new(&[0xff]).unsigned(), Err(WireError::Range));
    }
}
