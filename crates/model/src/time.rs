//! A point in time: nanoseconds since 1970 in the binary form, RFC 3339 text in JSON as Go writes it.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Go's zero time, which its programs write where there is none.
const ZERO_TEXT: &str = "0001-01-01T00:00:00Z";

/// Nanoseconds since 1970-01-01, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Later by a duration; the end of time when that cannot be expressed.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Without what is less than a millisecond.
    #[must_use]
    pub fn whole_milliseconds(self) -> Self {
        Self(self.0 - self.0 % 1_000_000)
    }

    /// `2026-11-22T19:28:41.879160087Z`, without zeros at the end of the fraction. 0 is no time and is Go's zero time.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        if self.0 == 0 {
            return ZERO_TEXT.to_owned();
        }
        let text = humantime::format_rfc3339_nanos(UNIX_EPOCH + Duration::from_nanos(self.0)).to_string();
        let trimmed = text.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.');
        format!("{trimmed}Z")
    }

    /// Reads RFC 3339 text in UTC (`Z`); Go's zero time is 0. `None` for anything else and for other times before 1970.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == ZERO_TEXT {
            return Some(Self(0));
        }
        let since = humantime::parse_rfc3339(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
        u64::try_from(since.as_nanos()).ok().map(Self)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&self.to_rfc3339())
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            Self::parse(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is no time in RFC 3339, in UTC")))
        } else {
            u64::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn texts_are_gos() {
        for text in ["2026-11-22T19:28:41.879160087Z", "2026-11-22T19:28:40Z", "2026-11-22T19:28:41.5Z"] {
            assert_eq!(Timestamp::parse(text).expect("a time").to_rfc3339(), text);
        }
        assert_eq!(Timestamp::parse("0001-01-01T00:00:00Z"), Some(Timestamp(0)));
        assert_eq!(Timestamp::parse("yesterday"), None);
    }
}
