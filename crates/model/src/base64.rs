//! Base64 that users give, with the errors that Consul's users know from Go.

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine as _};

/// Decodes standard base64.
///
/// # Errors
/// The text of Go's decoder: `illegal base64 data at input byte 0`.
pub fn decode_base64(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|error| {
        let at = match error {
            DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => at,
            DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => text.len() / 4 * 4,
        };
        format!("illegal base64 data at input byte {at}")
    })
}

/// Encodes standard base64.
#[must_use]
pub fn encode_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_byte() {
        assert_eq!(decode_base64("AAEC/w=="), Ok(vec![0, 1, 2, 255]));
        for (text, at) in [("zz", 0), ("AAE", 0), ("AAECzz", 4), ("A!EC", 1)] {
            assert_eq!(decode_base64(text), Err(format!("illegal base64 data at input byte {at}")));
        }
    }
}
