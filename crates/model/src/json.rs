//! Two carriers: opaque bytes that JSON shows as base64, and JSON values that are kept and returned as they came.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Any JSON value, kept as it came. Used where Concord stores a structure that it does not act on.
pub type Json = serde_json::Value;

/// Bytes: base64 text in JSON (`null` when empty, as Consul), raw bytes in the binary form. Clones share the bytes.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct Blob(pub Bytes);

impl Blob {
    /// Wraps bytes without copying them.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (serializer.is_human_readable(), self.0.is_empty()) {
            (true, true) => serializer.serialize_none(),
            (true, false) => serializer.serialize_str(&STANDARD.encode(&self.0)),
            (false, _) => serializer.serialize_bytes(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
            let bytes = STANDARD.decode(text).map_err(D::Error::custom)?;
            Ok(Self(bytes.into()))
        } else {
            let bytes = serde_bytes::ByteBuf::deserialize(deserializer)?;
            Ok(Self(bytes.into_vec().into()))
        }
    }
}
