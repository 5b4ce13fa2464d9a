//! Durations as Go writes and reads them (`1h30m`, `300ms`, `-1.5s`): the form of all durations in the API, in
//! configuration and in definitions.

use std::time::Duration;

/// The text is not a duration; `Display` is Go's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// It does not start with a number, or overflows.
    #[error("time: invalid duration {0:?}")]
    Malformed(String),
    /// A number stands without its unit.
    #[error("time: missing unit in duration {0:?}")]
    MissingUnit(String),
    /// The unit is none of ns, us, ms, s, m, h.
    #[error("time: unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// The whole text.
        text: String,
    },
}

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration as signed nanoseconds.
pub fn parse_nanos(text: &str) -> Result<i64, InvalidDuration> {
    let malformed = || InvalidDuration::Malformed(text.to_owned());
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(malformed());
    }
    let mut nanos: u64 = 0;
    while !rest.is_empty() {
        let number_len = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_len);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(malformed());
        }
        let unit_len = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_len);
        if unit.is_empty() {
            return Err(InvalidDuration::MissingUnit(text.to_owned()));
        }
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(InvalidDuration::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() });
        };
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| malformed())? };
        let part = whole.checked_mul(*factor).ok_or_else(malformed)?;
        nanos = nanos
            .checked_add(part)
            .and_then(|n| n.checked_add(fraction_nanos(fraction, *factor)))
            .filter(|n| i64::try_from(*n).is_ok())
            .ok_or_else(malformed)?;
        rest = next;
    }
    let nanos = i64::try_from(nanos).map_err(|_| malformed())?;
    Ok(if negative { -nanos } else { nanos })
}

/// Reads a duration that cannot be negative; a negative one reads as zero.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    Ok(Duration::from_nanos(u64::try_from(parse_nanos(text)?).unwrap_or(0)))
}

/// Writes a duration as Go does: `1h0m0s`, `1.5s`, `300ms`, `0s`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    for (unit, factor) in [("ns", 1_u128), ("µs", 1_000), ("ms", 1_000_000)] {
        if nanos < factor * 1000 {
            return format!("{}{unit}", decimal(nanos, factor));
        }
    }
    let minutes = nanos / 60_000_000_000;
    let seconds = decimal(nanos % 60_000_000_000, 1_000_000_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// For `serde`: a duration as text.
pub(crate) fn as_text<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format_duration(*duration))
}

/// For `serde`: a duration from text, or from a number of nanoseconds.
pub(crate) fn from_nanos_or_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Either {
        Nanos(i64),
        Text(String),
    }
    match serde::Deserialize::deserialize(deserializer)? {
        Either::Nanos(nanos) => Ok(Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))),
        Either::Text(text) => parse_duration(&text).map_err(serde::de::Error::custom),
    }
}

fn fraction_nanos(digits: &str, factor: u64) -> u64 {
    let (mut sum, mut scale) = (0_u128, u128::from(factor) * 1_000_000_000_000);
    for digit in digits.bytes() {
        scale /= 10;
        sum += u128::from(digit - b'0') * scale;
    }
    u64::try_from(sum / 1_000_000_000_000).unwrap_or(u64::MAX)
}

fn decimal(value: u128, factor: u128) -> String {
    let (whole, rest) = (value / factor, value % factor);
    if rest == 0 {
        return whole.to_string();
    }
    let width = factor.ilog10() as usize;
    format!("{whole}.{}", format!("{rest:0width$}").trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_what_go_does() {
        for (text, nanos, written) in [
            ("0", 0, "0s"),
            ("1s", 1_000_000_000, "1s"),
            ("1.5h", 5_400_000_000_000, "1h30m0s"),
            ("1h15m30.918s", 4_530_918_000_000, "1h15m30.918s"),
            (".5s", 500_000_000, "500ms"),
            ("1.s", 1_000_000_000, "1s"),
            ("3us", 3_000, "3µs"),
            ("1500ns", 1_500, "1.5µs"),
            ("87600h", 315_360_000_000_000_000, "87600h0m0s"),
            ("1m0.5s", 60_500_000_000, "1m0.5s"),
        ] {
            assert_eq!(parse_nanos(text), Ok(nanos), "{text}");
            assert_eq!(format_duration(parse_duration(text).unwrap()), written, "{text}");
        }
        assert_eq!(parse_nanos("-2s"), Ok(-2_000_000_000));
        assert_eq!(parse_duration("-2s"), Ok(Duration::ZERO));
    }

    #[test]
    fn refuses_with_gos_texts() {
        for (text, message) in [
            ("", "time: invalid duration \"\""),
            ("x", "time: invalid duration \"x\""),
            ("5", "time: missing unit in duration \"5\""),
            ("5parsecs", "time: unknown unit \"parsecs\" in duration \"5parsecs\""),
            ("9999999999h", "time: invalid duration \"9999999999h\""),
            ("1.2.3s", "time: invalid duration \"1.2.3s\""),
        ] {
            assert_eq!(parse_nanos(text).unwrap_err().to_string(), message);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,12}") {
            let _outcome = parse_nanos(&text);
        }

        #[test]
        fn what_is_written_is_read_back(nanos in 0_u64..=i64::MAX as u64) {
            let duration = Duration::from_nanos(nanos);
            proptest::prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }
}
