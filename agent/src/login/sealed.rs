//! The `state` of a login that goes by the browser: what was asked for, sealed with what only servers know, so that any
//! server can be asked to go on and none has to remember anything.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Token;
use ring::hmac;
use serde::{Deserialize, Serialize};

/// Longest state, bytes.
const BYTES_MAX: usize = 8 << 10;

/// A login that has begun.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Tells it from others.
    pub id: String,
    /// By which auth method.
    pub auth_method: String,
    /// Where the provider sends the person back to.
    pub redirect_uri: String,
    /// Until when it can be ended, seconds since 1970.
    pub until: i64,
    /// Fingerprint of what who began it must know.
    pub client: String,
    /// What the token is to say of the login.
    pub meta: BTreeMap<String, String>,
}

fn key(secret: &Token) -> hmac::Key {
    let purpose = hmac::Key::new(hmac::HMAC_SHA256, secret.secret().as_bytes());
    hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&purpose, b"login by browser").as_ref())
}

fn tag(secret: &Token, what: &str, text: &str) -> String {
    URL_SAFE_NO_PAD.encode(hmac::sign(&key(secret), format!("{what}\0{text}").as_bytes()))
}

/// A value that belongs to a login and that nobody else can know. 43 letters, as PKCE (RFC 7636) wants them.
pub fn derived(secret: &Token, what: &str, begun: &Begun) -> String {
    tag(secret, what, &begun.id)
}

/// The fingerprint of what a client made up for its login.
pub fn fingerprint(secret: &Token, client_nonce: &str) -> String {
    tag(secret, "client", client_nonce)
}

/// The state for the URL.
pub fn seal(secret: &Token, begun: &Begun) -> Result<String, String> {
    let json = serde_json::to_vec(begun).map_err(|error| error.to_string())?;
    let body = URL_SAFE_NO_PAD.encode(json);
    let sealed = format!("{body}.{}", tag(secret, "state", &body));
    if sealed.len() > BYTES_MAX {
        return Err("the metadata of the login is too large".to_owned());
    }
    Ok(sealed)
}

/// The login that a state is of; `None` when it was not made here.
pub fn open(secret: &Token, state: &str) -> Option<Begun> {
    let (body, seal) = state.split_once('.').filter(|_| state.len() <= BYTES_MAX)?;
    let seal = URL_SAFE_NO_PAD.decode(seal).ok()?;
    hmac::verify(&key(secret), format!("state\0{body}").as_bytes(), &seal).ok()?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_knows_the_secret_makes_a_state() {
        let (secret, other) = (Token::new("a"), Token::new("b"));
        let begun = Begun { id: "1".to_owned(), until: 7, ..Begun::default() };
        let state = seal(&secret, &begun).expect("a state");
        assert_eq!(open(&secret, &state), Some(begun.clone()));
        assert_eq!(open(&other, &state), None);
        let more = Begun { until: 8, ..begun.clone() };
        let (_, seal_of_one) = state.split_once('.').expect("two parts");
        let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&more).expect("JSON"));
        assert_eq!(open(&secret, &format!("{body}.{seal_of_one}")), None);
        for bad in ["", ".", "a.b", &"x".repeat(BYTES_MAX + 1)] {
            assert_eq!(open(&secret, bad), None);
        }
        assert_ne!(derived(&secret, "nonce", &begun), derived(&secret, "verifier", &begun));
        assert_eq!(derived(&secret, "verifier", &begun).len(), 43);
    }
}
