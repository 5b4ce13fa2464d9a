//! MessagePack as Consul 1.8 writes it, as a tree of values. Texts and bytes are the same there, so they are bytes here.

use std::io::{self, Read};

use model::{Json, Timestamp, encode_base64};

use crate::limits::{NESTING_MAX, SNAPSHOT_RECORD_BYTES_MAX};

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Map(Vec<(Vec<u8>, Self)>),
}

/// An error about what a record says.
pub(super) fn invalid(cause: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, cause.into())
}

/// Reads values one after the other, and counts the bytes of each.
pub(crate) struct Reader<R> {
    input: R,
    /// Bytes read since [`Self::restart`].
    pub(crate) count: u64,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, count: 0 }
    }

    /// Begins to count anew.
    pub(crate) fn restart(&mut self) {
        self.count = 0;
    }

    /// The next byte; `None` at the end.
    pub(crate) fn next_byte(&mut self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        loop {
            match self.input.read(&mut byte) {
                Ok(0) => return Ok(None),
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.count += 1;
        Ok(Some(byte[0]))
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        self.count += N as u64;
        if self.count > u64::from(SNAPSHOT_RECORD_BYTES_MAX) {
            return Err(invalid(format!("a record is longer than the limit of {SNAPSHOT_RECORD_BYTES_MAX} bytes")));
        }
        Ok(bytes)
    }

    fn u8(&mut self) -> io::Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    fn u16(&mut self) -> io::Result<usize> {
        Ok(u16::from_be_bytes(self.array()?).into())
    }

    fn u32(&mut self) -> io::Result<usize> {
        Ok(u32::from_be_bytes(self.array()?) as usize)
    }

    /// Reads as much as really comes, so that a lying length costs nothing.
    fn bytes(&mut self, length: usize) -> io::Result<Vec<u8>> {
        if length > SNAPSHOT_RECORD_BYTES_MAX as usize {
            return Err(invalid(format!("a value claims {length} bytes, more than {SNAPSHOT_RECORD_BYTES_MAX}")));
        }
        let mut bytes = Vec::new();
        (&mut self.input).take(length as u64).read_to_end(&mut bytes)?;
        self.count += length as u64;
        if bytes.len() == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// The next value.
    pub(crate) fn value(&mut self) -> io::Result<Value> {
        self.value_within(NESTING_MAX)
    }

    fn value_within(&mut self, depth: usize) -> io::Result<Value> {
        Ok(match self.u8()? {
            small @ 0..=0x7f => Value::Uint(small.into()),
            tag @ 0x80..=0x8f => self.map((tag & 0x0f).into(), depth)?,
            tag @ 0x90..=0x9f => self.list((tag & 0x0f).into(), depth)?,
            tag @ 0xa0..=0xbf => Value::Bytes(self.bytes((tag & 0x1f).into())?),
            0xc0 => Value::Nil,
            0xc2 => Value::Bool(false),
            0xc3 => Value::Bool(true),
            0xc4 | 0xd9 => {
                let length = self.u8()?.into();
                Value::Bytes(self.bytes(length)?)
            }
            0xc5 | 0xda => {
                let length = self.u16()?;
                Value::Bytes(self.bytes(length)?)
            }
            0xc6 | 0xdb => {
                let length = self.u32()?;
                Value::Bytes(self.bytes(length)?)
            }
            0xca => Value::Float(f32::from_be_bytes(self.array()?).into()),
            0xcb => Value::Float(f64::from_be_bytes(self.array()?)),
            0xcc => Value::Uint(self.u8()?.into()),
            0xcd => Value::Uint(self.u16()? as u64),
            0xce => Value::Uint(self.u32()? as u64),
            0xcf => Value::Uint(u64::from_be_bytes(self.array()?)),
            0xd0 => Value::Int(i8::from_be_bytes(self.array()?).into()),
            0xd1 => Value::Int(i16::from_be_bytes(self.array()?).into()),
            0xd2 => Value::Int(i32::from_be_bytes(self.array()?).into()),
            0xd3 => Value::Int(i64::from_be_bytes(self.array()?)),
            0xdc => {
                let count = self.u16()?;
                self.list(count, depth)?
            }
            0xdd => {
                let count = self.u32()?;
                self.list(count, depth)?
            }
            0xde => {
                let count = self.u16()?;
                self.map(count, depth)?
            }
            0xdf => {
                let count = self.u32()?;
                self.map(count, depth)?
            }
            negative @ 0xe0..=0xff => Value::Int(i64::from(negative) - 256),
            tag => return Err(invalid(format!("0x{tag:02x} begins no value"))),
        })
    }

    fn list(&mut self, count: usize, depth: usize) -> io::Result<Value> {
        let depth = depth.checked_sub(1).ok_or_else(|| invalid("values are nested too deeply"))?;
        // What is claimed is not reserved: each value takes at least a byte of the input.
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(self.value_within(depth)?);
        }
        Ok(Value::List(list))
    }

    fn map(&mut self, count: usize, depth: usize) -> io::Result<Value> {
        let depth = depth.checked_sub(1).ok_or_else(|| invalid("values are nested too deeply"))?;
        let mut map = Vec::new();
        for _ in 0..count {
            let Value::Bytes(key) = self.value_within(depth)? else { return Err(invalid("a key is no text")) };
            map.push((key, self.value_within(depth)?));
        }
        Ok(Value::Map(map))
    }
}

impl Value {
    /// The field of a map; `Nil` when there is none.
    pub(crate) fn get(&self, name: &str) -> &Self {
        let Self::Map(map) = self else { return &Self::Nil };
        map.iter().find(|(key, _)| key == name.as_bytes()).map_or(&Self::Nil, |(_, value)| value)
    }

    pub(crate) fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// The bytes of a text; empty for anything else.
    pub(crate) fn bytes(&self) -> &[u8] {
        if let Self::Bytes(bytes) = self { bytes } else { &[] }
    }

    /// A text, invalid UTF-8 replaced; empty for anything else.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// A number that is not negative; 0 for anything else.
    pub(crate) fn number(&self) -> u64 {
        match self {
            Self::Uint(number) => *number,
            Self::Int(number) => u64::try_from(*number).unwrap_or(0),
            _ => 0,
        }
    }

    /// The same as JSON. Numbers without a fraction are whole there, as Consul's JSON shows them.
    pub(crate) fn json(&self) -> Json {
        match self {
            Self::Nil => Json::Null,
            Self::Bool(it) => (*it).into(),
            Self::Int(it) => (*it).into(),
            Self::Uint(it) => (*it).into(),
            Self::Float(it) if it.fract() == 0.0 && it.abs() < 9e15 => (*it as i64).into(),
            Self::Float(it) => (*it).into(),
            Self::Bytes(_) => self.text().into(),
            Self::List(list) => list.iter().map(Self::json).collect(),
            Self::Map(map) => {
                map.iter().map(|(key, value)| (String::from_utf8_lossy(key).into_owned(), value.json())).collect()
            }
        }
    }

    /// A value of the model whose JSON has the same fields, which may lack here.
    pub(crate) fn parse<T: serde::de::DeserializeOwned>(&self) -> io::Result<T> {
        serde_json::from_value(self.json()).map_err(|error| invalid(error.to_string()))
    }

    /// As [`Self::parse`]; fields without a value and those to be `skipped` have their defaults.
    pub(crate) fn parse_without<T: serde::de::DeserializeOwned>(&self, skipped: &[&str]) -> io::Result<T> {
        let Json::Object(mut fields) = self.json() else { return Err(invalid("the record is no map")) };
        fields.retain(|name, value| !value.is_null() && !skipped.contains(&name.as_str()));
        serde_json::from_value(fields.into()).map_err(|error| invalid(error.to_string()))
    }

    /// As [`Self::parse`], for records with a `Hash`, which are bytes; fields without a value and those to be `skipped`
    /// have their defaults.
    pub(crate) fn parse_with_bytes<T: serde::de::DeserializeOwned>(&self, skipped: &[&str]) -> io::Result<T> {
        let Json::Object(mut fields) = self.json() else { return Err(invalid("the record is no map")) };
        fields.retain(|name, value| !value.is_null() && !skipped.contains(&name.as_str()));
        fields.insert("Hash".to_owned(), encode_base64(self.get("Hash").bytes()).into());
        serde_json::from_value(fields.into()).map_err(|error| invalid(error.to_string()))
    }

    /// A time in Go's binary form: a version, seconds since the year 1, nanoseconds, and a time zone, which changes
    /// nothing. `None` for anything else and for times before 1970, such as the zero time.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        const YEAR_1_TO_1970_SECONDS: u64 = 62_135_596_800;
        let (version, rest) = self.bytes().split_first()?;
        let (seconds, rest) = rest.split_first_chunk()?;
        let (nanos, _) = rest.split_first_chunk()?;
        if !matches!(version, 1 | 2) {
            return None;
        }
        let seconds = u64::from_be_bytes(*seconds).checked_sub(YEAR_1_TO_1970_SECONDS)?;
        let nanos = u64::from(u32::from_be_bytes(*nanos));
        seconds.checked_mul(1_000_000_000)?.checked_add(nanos).map(Timestamp)
    }
}
