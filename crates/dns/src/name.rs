//! Domain names in wire form: labels with their lengths, in the spelling they came in.

use std::fmt;
use std::sync::Arc;

use crate::limits::{LABEL_BYTES_MAX, NAME_BYTES_MAX};

/// A domain name: length-prefixed labels without the zero at the end. Clones share the bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name(Arc<[u8]>);

/// A text is no domain name: an empty label, one above 63 bytes, or more than 254 bytes in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongName;

impl Name {
    /// A name from labels, the leftmost first.
    ///
    /// # Errors
    /// [`WrongName`] when a label or the whole is empty where it must not be, or too long.
    pub fn from_labels<'a>(labels: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, WrongName> {
        let mut wire = Vec::with_capacity(64);
        for label in labels {
            if label.is_empty() || label.len() > LABEL_BYTES_MAX {
                return Err(WrongName);
            }
            wire.push(label.len() as u8);
            wire.extend_from_slice(label);
        }
        Self::from_wire(&wire)
    }

    /// A name from dotted text, with or without a dot at the end. `.` alone is the root.
    ///
    /// # Errors
    /// [`WrongName`] as for [`Name::from_labels`].
    pub fn parse(text: &str) -> Result<Self, WrongName> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Ok(Self::root());
        }
        Self::from_labels(text.split('.').map(str::as_bytes))
    }

    /// The root.
    #[must_use]
    pub fn root() -> Self {
        Self(Arc::from([]))
    }

    /// The same name in small ASCII letters.
    #[must_use]
    pub fn to_lowercase(&self) -> Self {
        // A label length is at most 63 and no letter, so the whole may be folded at once.
        Self(self.0.to_ascii_lowercase().into())
    }

    /// Whether both are the same name, whatever the case of their letters.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }

    /// The labels from left to right.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first()?;
            let (label, after) = after.split_at_checked(usize::from(*length))?;
            rest = after;
            Some(label)
        })
    }

    /// The labels left of `domain`, compared without regard to case; `None` when the name is not in the domain.
    #[must_use]
    pub fn labels_before(&self, domain: &Self) -> Option<Vec<&[u8]>> {
        let mut labels: Vec<&[u8]> = self.labels().collect();
        let suffix: Vec<&[u8]> = domain.labels().collect();
        let at = labels.len().checked_sub(suffix.len())?;
        let is_inside = labels[at..].iter().zip(&suffix).all(|(a, b)| a.eq_ignore_ascii_case(b));
        labels.truncate(at);
        is_inside.then_some(labels)
    }

    pub(crate) fn from_wire(wire: &[u8]) -> Result<Self, WrongName> {
        if wire.len() > NAME_BYTES_MAX {
            return Err(WrongName);
        }
        Ok(Self(wire.into()))
    }

    pub(crate) fn wire(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for label in self.labels() {
            write!(f, "{}.", label.escape_ascii())?;
        }
        if self.0.is_empty() { f.write_str(".") } else { Ok(()) }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}
