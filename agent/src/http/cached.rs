//! `?cached`: answers from the cache of this agent, as old as `Cache-Control` allows.

use std::time::Duration;

use http::header::{AGE, CACHE_CONTROL, HeaderName, HeaderValue};
use server::request::{Consistency, ExecuteQuery, Form, Page, Query, ReadMeta, ReadOptions};
use tokio::time::Instant;

use super::extract::Call;
use super::reply::{Answer, Failure, Reply};
use crate::cache::{Held, Kept, Key};
use crate::executions::Execution;

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// What `Cache-Control` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Control {
    max_age: Option<Duration>,
    stale_if_error: Option<Duration>,
    must_revalidate: bool,
}

impl Control {
    fn parse(text: &str) -> Option<Self> {
        let seconds = |text: &str| text.parse().ok().map(Duration::from_secs);
        let mut control = Self::default();
        for directive in text.split(',').map(|directive| directive.trim().to_ascii_lowercase()) {
            if directive == "must-revalidate" {
                control.must_revalidate = true;
            } else if let Some(age) = directive.strip_prefix("max-age=") {
                control.max_age = Some(seconds(age)?);
            } else if let Some(age) = directive.strip_prefix("stale-if-error=") {
                control.stale_if_error = Some(seconds(age)?);
            }
        }
        Some(control)
    }

    /// Whether an answer of this age will do. An answer that is followed has no age, whatever is asked for.
    fn takes(self, age: Duration) -> bool {
        age.is_zero() || (!self.must_revalidate && self.max_age.is_none_or(|max| age <= max))
    }
}

impl Call<'_> {
    /// As [`Call::catalog_read`], from the cache where the client wants that.
    pub async fn cached_read(&self, options: ReadOptions, query: Query) -> Answer {
        if !self.query.has("cached") || !self.state.use_cache || options.page != Page::default() {
            return self.catalog_read(options, query).await;
        }
        self.kept_read(options, query).await
    }

    /// As [`Call::catalog_read`], from the cache whatever the client says.
    pub async fn kept_read(&self, options: ReadOptions, query: Query) -> Answer {
        let control = self.cache_control()?;
        let key = Key {
            datacenter: self.query.text("dc").to_owned(),
            token: self.token().secret().to_owned(),
            query: query.clone(),
            filter: options.filter.clone(),
            form: Form::Json,
        };
        let wanted = options.consistency;
        let wait = server::blocking::wait_time(options.wait_ms, rand::random());
        let (cache, backend) = (&self.state.cache, &self.state.backend);
        let found = cache.get(backend, &key, options.min_index, Instant::now() + wait).await;
        let found = found.map_err(|error| Failure::from(error).with_read_headers())?;
        let Some((held, is_hit)) = found else {
            return Ok(self.mark_uncached(self.catalog_read(options, query).await?));
        };
        if control.takes(held.age()) {
            return reply(&held, wanted, is_hit);
        }
        match self.catalog_read(options, query).await {
            Ok(fresh) => Ok(self.mark_uncached(fresh)),
            Err(_) if control.stale_if_error.is_some_and(|max| held.age() <= max) => reply(&held, wanted, true),
            Err(failure) => Err(failure),
        }
    }

    fn cache_control(&self) -> Result<Control, Failure> {
        let header = self.headers.get(CACHE_CONTROL).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Control::parse(header).ok_or(Failure::bad_request("Invalid Cache-Control header."))
    }

    /// The kept execution of a prepared query, where the client wants one and it is not too old.
    pub fn kept_execution(&self, query: &ExecuteQuery) -> Result<Option<Execution>, Failure> {
        if !self.query.has("cached") || !self.state.use_cache {
            return Ok(None);
        }
        let control = self.cache_control()?;
        if control.must_revalidate {
            return Ok(None);
        }
        let max_age = control.max_age.filter(|age| !age.is_zero());
        let (datacenter, token) = (self.query.text("dc"), self.token());
        Ok(self.state.executions.find(datacenter, &token, query, max_age))
    }

    /// Keeps the execution of a prepared query, where the client reads such ones.
    pub fn keep_execution(&self, query: &ExecuteQuery, execution: &Execution) {
        if self.query.has("cached") && self.state.use_cache {
            self.state.executions.keep(self.query.text("dc"), &self.token(), query, execution.clone());
        }
    }
}

fn reply(held: &Held, wanted: Consistency, is_hit: bool) -> Answer {
    let Kept::Json(json) = &held.body else {
        return Err(Failure::internal("kept rows in place of JSON"));
    };
    // A kept answer is followed from whatever server; the header tells what was asked for.
    let meta = ReadMeta { consistency: wanted, ..held.meta };
    let reply = Reply::json(json.clone()).with_read(&meta).with_consistency(&meta);
    if !is_hit {
        return Ok(reply.with_header(X_CACHE, HeaderValue::from_static("MISS")));
    }
    Ok(mark_hit(reply, held.age()))
}

/// Tells that an answer is a kept one, and how old.
pub fn mark_hit(reply: Reply, age: Duration) -> Reply {
    reply.with_header(X_CACHE, HeaderValue::from_static("HIT")).with_header(AGE, HeaderValue::from(age.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_read_as_far_as_it_is_known() {
        let seconds = Duration::from_secs;
        let control = Control::parse("no-transform, Max-Age=5,stale-if-error=30").expect("a header");
        assert_eq!((control.max_age, control.stale_if_error), (Some(seconds(5)), Some(seconds(30))));
        assert!(control.takes(seconds(5)) && !control.takes(seconds(6)));
        let control = Control::parse("must-revalidate").expect("a header");
        assert!(control.takes(seconds(0)) && !control.takes(seconds(1)));
        assert_eq!(Control::parse("max-age=x"), None);
        assert_eq!(Control::parse(""), Some(Control::default()));
    }
}
