//! From when until when a certificate is valid. Nothing else of it is read here.

use std::time::Duration;

/// Seconds since 1970, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First second.
    pub from: i64,
    /// Last second.
    pub until: i64,
}

impl Validity {
    /// What is left at a time; zero when it is over.
    #[must_use]
    pub fn left(&self, now: i64) -> Duration {
        Duration::from_secs(u64::try_from(self.until.saturating_sub(now)).unwrap_or_default())
    }

    /// The whole of it.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.left(self.from)
    }
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xA0;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Reads the validity of a certificate in DER; `None` when it is none.
#[must_use]
pub fn validity(certificate: &[u8]) -> Option<Validity> {
    let (certificate, _) = of_tag(certificate, SEQUENCE)?;
    let (mut rest, _) = of_tag(certificate, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = of_tag(rest, VERSION)?.1;
    }
    // Serial number, algorithm and issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        rest = of_tag(rest, tag)?.1;
    }
    let (times, _) = of_tag(rest, SEQUENCE)?;
    let (from, rest) = time(times)?;
    let (until, _) = time(rest)?;
    Some(Validity { from, until })
}

/// The contents of the element at the front, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let length = match first {
        0..=0x7F => usize::from(first),
        0x81..=0x84 => {
            let (length, after) = rest.split_at_checked(usize::from(first & 0x7F))?;
            rest = after;
            length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte))
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

fn of_tag(bytes: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    element(bytes).filter(|(tag, ..)| *tag == wanted).map(|(_, contents, rest)| (contents, rest))
}

fn time(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (tag, digits, rest) = element(bytes)?;
    let digits = digits.strip_suffix(b"Z")?;
    let (year, digits) = match tag {
        UTC_TIME => {
            let (year, digits) = two_digits(digits)?;
            // RFC 5280, 4.1.2.5.1.
            (if year < 50 { 2000 + year } else { 1900 + year }, digits)
        }
        GENERALIZED_TIME => {
            let (century, digits) = two_digits(digits)?;
            let (year, digits) = two_digits(digits)?;
            (century * 100 + year, digits)
        }
        _ => return None,
    };
    let mut fields = [0; 5];
    let mut digits = digits;
    for field in &mut fields {
        (*field, digits) = two_digits(digits)?;
    }
    let [month, day, hour, minute, second] = fields;
    let is_time = digits.is_empty() && (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
    is_time.then(|| (days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second, rest))
}

fn two_digits(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (digits, rest) = bytes.split_at_checked(2)?;
    let is_number = digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| (i64::from(digits[0] - b'0') * 10 + i64::from(digits[1] - b'0'), rest))
}

/// Days since 1970 of a date of the Gregorian calendar; years begin in March, so that leap days come last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, in_era) = (year.div_euclid(400), year.rem_euclid(400));
    let in_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The part of a certificate that is read.
    fn certificate(from: &str, until: &str) -> Vec<u8> {
        let wrap = |tag: u8, contents: &[u8]| [&[tag, contents.len() as u8], contents].concat();
        let time = |text: &str| wrap(if text.len() == 13 { UTC_TIME } else { GENERALIZED_TIME }, text.as_bytes());
        let times = wrap(SEQUENCE, &[time(from), time(until)].concat());
        let parts = [wrap(VERSION, &[2, 1, 2]), vec![2, 1, 9], wrap(SEQUENCE, b""), wrap(SEQUENCE, b""), times];
        wrap(SEQUENCE, &wrap(SEQUENCE, &parts.concat()))
    }

    #[test]
    fn both_forms_of_time_are_read() {
        let read = validity(&certificate("700101000001Z", "20380119031407Z"));
        let read = read.expect("a certificate");
        assert_eq!(read, Validity { from: 1 + (days(1970, 1, 1)) * 86_400, until: i64::from(i32::MAX) });
        assert_eq!(days(2000, 2, 29) + 1, days(2000, 3, 1));
        assert_eq!(read.left(i64::MAX), Duration::ZERO);
        assert_eq!(read.length(), Duration::from_secs(i32::MAX as u64 - 1));
    }

    #[test]
    fn no_prefix_and_no_changed_byte_does_harm() {
        let good = certificate("491231235959Z", "20500101000000Z");
        assert!(validity(&good).is_some());
        for cut in 0..good.len() {
            assert_eq!(validity(&good[..cut]), None, "{cut}");
            for byte in [0, 0x30, 0x7F, 0x80, 0x84, 0xFF] {
                let mut bad = good.clone();
                bad[cut] = byte;
                let _ = validity(&bad);
            }
        }
    }
}
