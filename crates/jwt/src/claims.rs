//! Whether a verified token is for us, from whom we expect, and now.

use serde_json::Value;

use crate::error::JwtError;

/// Seconds that are added where a token does not say how long it lives, unless it is set.
const LEEWAY_DEFAULT: i64 = 150;
/// Seconds by which clocks may differ, unless it is set.
const SKEW_DEFAULT: i64 = 60;

/// What the claims must be. In the three leeways, 0 is the default and less than 0 is none; seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectations {
    /// `iss`; anybody when empty.
    pub issuer: String,
    /// One of them must be in `aud`; a token with an audience is refused when there are none.
    pub audiences: Vec<String>,
    /// How long a token without `exp` lives.
    pub expiration_leeway: i64,
    /// How long before `exp` a token without `nbf` and `iat` begins to live.
    pub not_before_leeway: i64,
    /// By how much clocks may differ.
    pub clock_skew: i64,
}

fn claims(why: impl Into<String>) -> JwtError {
    JwtError::Claims(why.into())
}

/// A time in seconds since 1970, 0 when it is absent.
fn time(all: &Value, name: &str) -> Result<i64, JwtError> {
    match &all[name] {
        Value::Null => Ok(0),
        Value::Number(number) => {
            let whole = number.as_i64().or_else(|| number.as_f64().map(|float| float as i64));
            whole.filter(|time| *time >= 0).ok_or_else(|| claims(format!("{name} is not a time")))
        }
        _ => Err(claims(format!("{name} is not a time"))),
    }
}

fn leeway(set: i64, default: i64) -> i64 {
    match set {
        0 => default,
        set => set.max(0),
    }
}

/// Checks issuer, times (`now` in seconds since 1970) and audience.
///
/// # Errors
/// The first that does not hold.
pub fn check_claims(all: &Value, expected: &Expectations, now: i64) -> Result<(), JwtError> {
    let (issued, mut begins, mut ends) = (time(all, "iat")?, time(all, "nbf")?, time(all, "exp")?);
    if issued == 0 && begins == 0 && ends == 0 {
        return Err(JwtError::NoTimes);
    }
    if ends == 0 {
        ends = issued.max(begins).saturating_add(leeway(expected.expiration_leeway, LEEWAY_DEFAULT));
    }
    if begins == 0 {
        let before = ends.saturating_sub(leeway(expected.not_before_leeway, LEEWAY_DEFAULT));
        begins = if issued != 0 { issued } else { before };
    }
    let skew = leeway(expected.clock_skew, SKEW_DEFAULT);
    if !expected.issuer.is_empty() && all["iss"].as_str() != Some(&*expected.issuer) {
        return Err(claims("invalid issuer claim (iss)"));
    }
    if now.saturating_add(skew) < begins {
        return Err(claims("token not valid yet (nbf)"));
    }
    if now.saturating_sub(skew) > ends {
        return Err(claims("token is expired (exp)"));
    }
    if now.saturating_add(skew) < issued {
        return Err(claims("token issued in the future (iat)"));
    }
    check_audience(all, &expected.audiences)
}

fn check_audience(all: &Value, wanted: &[String]) -> Result<(), JwtError> {
    let has: Vec<&str> = match &all["aud"] {
        Value::Null => Vec::new(),
        Value::String(one) => vec![one],
        Value::Array(many) if many.iter().all(Value::is_string) => many.iter().filter_map(Value::as_str).collect(),
        _ => return Err(claims("aud is neither a text nor a list of texts")),
    };
    if wanted.is_empty() {
        return if has.is_empty() {
            Ok(())
        } else {
            Err(claims("audience claim found in JWT but no audiences are bound"))
        };
    }
    if wanted.iter().any(|wanted| has.contains(&wanted.as_str())) {
        return Ok(());
    }
    Err(claims("aud claim does not match any bound audience"))
}
