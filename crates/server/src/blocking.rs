//! Reads, with waiting: a read answers at once, or when the index of what it asks for has passed the one it knows, or
//! when its time is over. No runtime: who calls brings the timer.
//!
//! A waiting read holds no view. It is woken only by changes of what it depends on, looks at the index first, and shares
//! the evaluation and the encoded answer with all equal reads.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use filter::Filter;
use futures::future::{Either, select};
use model::{Timestamp, Token};
use state::{Reader, Source, Table, View};

use crate::acl::{Caller, Guard};
use crate::endpoint;
use crate::limits::{JITTER_PART, WAIT_DEFAULT, WAIT_MAX};
use crate::request::{Body, Form, Page, Query, ReadOptions, RequestError};
use crate::shared::{ReadKey, Rendered, Shared};

/// Who asks, found out anew for each view that answers: rights may change while a read waits.
#[derive(Clone, Copy)]
pub struct Who<'a> {
    /// Knows who has which secret.
    pub guard: &'a Guard,
    /// The secret.
    pub token: &'a Token,
    /// The clock.
    pub now: fn() -> Timestamp,
}

impl Who<'_> {
    /// A prepared query may have a token of its own, which then counts.
    fn caller(&self, view: &View, query: &Query) -> Result<Caller, RequestError> {
        let token = endpoint::own_token(view, query).unwrap_or(self.token);
        self.guard.caller(view, token, (self.now)())
    }
}

/// An answer with its index.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Index to block on next; at least 1.
    pub index: u64,
    /// The answer.
    pub body: Body,
    /// Fencing token of the lock of the one entry that is the answer; 0 when it is not locked, or something else.
    pub fencing_token: u64,
}

/// How long a read waits: what it asks for, within limits, and up to a sixteenth more, chosen by `random`.
#[must_use]
pub fn wait_time(wait_ms: u64, random: u32) -> Duration {
    let wait = if wait_ms == 0 { WAIT_DEFAULT } else { Duration::from_millis(wait_ms).min(WAIT_MAX) };
    wait + (wait / JITTER_PART).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// Answers a query from published views, waiting if the options ask for it. Whether the views are recent enough for the
/// options' consistency is for the caller to see to, before.
///
/// `random` is any number, for the jitter; `sleep` makes the timer, and is called only if the read has to wait. Dropping
/// the future ends the read; so does the loss of leadership, which the caller watches beside it.
///
/// # Errors
/// When the filter is wrong.
#[expect(
    clippy::too_many_arguments,
    reason = "what a server has, who asks and what, and the two things that only a shell has"
)]
pub async fn read<S, F>(
    reader: &Reader,
    shared: &Shared,
    who: Who<'_>,
    options: &ReadOptions,
    query: Query,
    random: u32,
    sleep: S,
) -> Result<Reading, RequestError>
where
    S: FnOnce(Duration) -> F,
    F: Future<Output = ()>,
{
    endpoint::check_query(&query)?;
    let filter = endpoint::parse_filter(&query, &options.filter)?;
    let min_index = if endpoint::never_blocks(&query) { 0 } else { options.min_index };
    let read = Read {
        query,
        filter_text: options.filter.clone(),
        page: options.page.clone(),
        who,
        filter,
        shared,
        form: options.form,
        is_waiting: min_index > 0,
    };
    let source = endpoint::source(&read.query);
    if min_index == 0 {
        return read.answer(&reader.load());
    }
    // Held while waiting, so that the place of this query is not given up in between.
    let _slot = match read.form {
        Form::Json => Some(shared.slot(&read.key(&who.caller(&reader.load(), &read.query)?))),
        Form::Rows => None,
    };
    let mut sleep = Some(sleep);
    let mut deadline = pin!(None);
    loop {
        let watches = {
            let view = reader.load();
            if view.index_of(source.as_source()) > min_index {
                return read.answer(&view);
            }
            view.watches(source.as_source())
        };
        if let Some(sleep) = sleep.take() {
            deadline.set(Some(sleep(wait_time(options.wait_ms, random))));
        }
        let Some(timer) = deadline.as_mut().as_pin_mut() else { return read.answer(&reader.load()) };
        if let Either::Right(_) = select(pin!(watches.fired()), timer).await {
            return read.answer(&reader.load());
        }
    }
}

/// One read on its way.
struct Read<'a> {
    query: Query,
    filter_text: String,
    page: Page,
    who: Who<'a>,
    filter: Option<Filter>,
    shared: &'a Shared,
    form: Form,
    is_waiting: bool,
}

impl Read<'_> {
    fn key(&self, caller: &Caller) -> ReadKey {
        let (query, filter, page) = (self.query.clone(), self.filter_text.clone(), self.page.clone());
        ReadKey { query, filter, page, scope: caller.scope() }
    }

    fn answer(&self, view: &View) -> Result<Reading, RequestError> {
        let caller = self.who.caller(view, &self.query)?;
        let source = endpoint::source(&self.query);
        // Taken from this view even when the body was made from another: the body is not older than the index then.
        let index = view.index_of(source.as_source()).max(1);
        match self.form {
            Form::Rows => {
                let (filter, datacenter) = (self.filter.as_ref(), self.shared.datacenter());
                let answer = endpoint::evaluate_page(view, &caller, &self.query, filter, &self.page, datacenter)?;
                let fencing_token = endpoint::fencing_token(view, &self.query, &answer);
                Ok(Reading { index, body: Body::Rows(answer), fencing_token })
            }
            Form::Json => {
                let Rendered { found, json, fencing_token } = self.render(view, &caller)?;
                Ok(Reading { index, body: Body::Json { found, json }, fencing_token })
            }
        }
    }

    fn render(&self, view: &View, caller: &Caller) -> Result<Rendered, RequestError> {
        let (query, filter, datacenter) = (&self.query, self.filter.as_ref(), self.shared.datacenter());
        // What is said about the ACL system is for one caller only, not for all with the same rights.
        let is_alone = matches!(query, Query::Acl(_)) || endpoint::never_blocks(query);
        if is_alone || (matches!(query, Query::KvGet { .. }) && !self.is_waiting) {
            // Finding and encoding one entry costs no more than finding its place among the shared answers.
            return endpoint::render(view, caller, query, filter, &self.page, datacenter);
        }
        let slot = self.shared.slot(&self.key(caller));
        self.shared.answer(&slot, || {
            // In this order: what changes after the watches were taken makes them stale.
            let mut watches = view.watches(endpoint::source(query).as_source());
            if endpoint::is_sorted_by_distance(query) {
                watches.extend(view.watches(Source::Tables(&[Table::Coordinates])));
            }
            Ok((endpoint::render(view, caller, query, filter, &self.page, datacenter)?, watches))
        })
    }
}
