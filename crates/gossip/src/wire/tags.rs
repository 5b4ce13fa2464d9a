//! A node's tags as the meta bytes of an `alive` message: 0xff and a msgpack map.

use super::WireError;
use super::msgpack::{Reader, Writer};
use std::collections::BTreeMap;

const TAGS: u8 = 0xff;

/// Encodes tags; no tags are still two bytes, as real agents send them.
pub fn encode_tags(tags: &BTreeMap<String, String>) -> Vec<u8> {
    let mut writer = Writer::message(TAGS);
    writer.map(tags.len());
    for (key, value) in tags {
        writer.text(key).text(value);
    }
    writer.finish()
}

/// Decodes tags. Meta without the tag byte is the single tag `role`, as in the oldest protocol.
pub fn decode_tags(meta: &[u8]) -> Result<BTreeMap<String, String>, WireError> {
    match meta.split_first() {
        None => Ok(BTreeMap::new()),
        Some((&TAGS, rest)) => {
            let mut reader = Reader::new(rest);
            let len = reader.map()?;
            let mut tags = BTreeMap::new();
            for _ in 0..len {
                tags.insert(reader.text()?, reader.text()?);
            }
            Ok(tags)
        }
        Some(_) => {
            let role = std::str::from_utf8(meta).map_err(|_| WireError::NotUtf8)?;
            Ok(BTreeMap::from([("role".to_owned(), role.to_owned())]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_survive() {
        let tags = BTreeMap::from([("dc".into(), "dc1".into()), ("segment".into(), String::new())]);
        assert_eq!(decode_tags(&encode_tags(&tags)).unwrap(), tags);
        assert_eq!(decode_tags(b"web").unwrap()["role"], "web");
        assert!(decode_tags(&[0xff, 0x81, 0xa1]).is_err());
        assert!(decode_tags(&[0xff, 0xdf, 0xff, 0xff, 0xff, 0xff]).is_err());
    }
}
