//! Keys of the tables: parts of text, compared without regard to case, each ended so that no part can run into the next.

use smallvec::SmallVec;

/// A built key.
pub(crate) type Bytes = SmallVec<[u8; 96]>;

const END: u8 = 0;
const ESCAPE: u8 = 1;

/// Builds the key of the parts. Keys of fewer parts are prefixes of the keys that go on with more.
pub(crate) fn key<const N: usize>(parts: [&str; N]) -> Bytes {
    let mut bytes = Bytes::new();
    for part in parts {
        push(&mut bytes, part);
    }
    bytes
}

fn push(bytes: &mut Bytes, part: &str) {
    if part.is_ascii() {
        part.bytes().for_each(|byte| push_byte(bytes, byte.to_ascii_lowercase()));
    } else {
        part.to_lowercase().bytes().for_each(|byte| push_byte(bytes, byte));
    }
    bytes.push(END);
}

/// The two bytes that separate are escaped, in a way that keeps the order.
fn push_byte(bytes: &mut Bytes, byte: u8) {
    if byte <= ESCAPE {
        bytes.push(ESCAPE);
        bytes.push(byte + 1);
    } else {
        bytes.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn parts_ignore_case_and_do_not_run_into_each_other() {
        assert_eq!(key(["Web", "ÄB"]), key(["wEB", "äb"]));
        assert_ne!(key(["ab", "c"]), key(["a", "bc"]));
        assert_ne!(key(["a\0b"]), key(["a", "b"]));
        assert_ne!(key(["a\u{1}\u{1}b"]), key(["a\0b"]));
        assert!(key(["a", "b"]).starts_with(&key(["a"])));
        assert!(!key(["ab"]).starts_with(&key(["a"])));
        assert!(key(["a"]) < key(["a\0"]) && key(["a\0"]) < key(["ab"]));
    }
}
