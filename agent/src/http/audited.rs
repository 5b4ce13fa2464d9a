//! Requests in the audit log.

use http::StatusCode;
use http::header::USER_AGENT;
use http::request::Parts;
use uuid::Uuid;

use super::extract::Call;
use crate::audit::{Asked, Audit, Stage};

/// A request that is written down.
pub(super) struct Record<'a> {
    audit: &'a Audit,
    id: Uuid,
    head: &'a Parts,
    client: Option<std::net::IpAddr>,
    accessor: String,
}

impl<'a> Record<'a> {
    /// Writes down that it begins.
    pub(super) async fn begin(audit: &'a Audit, call: &Call<'_>, head: &'a Parts) -> Self {
        // Who shows a token that is none is nobody, and what is asked for is refused later.
        let caller = call.caller().await.ok();
        let accessor = caller.and_then(|caller| caller.token().map(|token| token.accessor_id.clone()));
        let record =
            Self { audit, id: Uuid::new_v4(), head, client: call.client, accessor: accessor.unwrap_or_default() };
        record.note(&Stage::Start);
        record
    }

    /// Writes down how it was answered.
    pub(super) fn end(&self, status: StatusCode) {
        self.note(&Stage::Complete(status.as_u16()));
    }

    fn note(&self, stage: &Stage) {
        let user_agent = self.head.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        let asked = Asked {
            id: self.id,
            method: self.head.method.as_str(),
            path: self.head.uri.path(),
            client: self.client,
            user_agent: user_agent.unwrap_or_default(),
            accessor: &self.accessor,
        };
        self.audit.note(&asked, stage);
    }
}
