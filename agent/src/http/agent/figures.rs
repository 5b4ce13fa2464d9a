//! The agent's figures and its log: metrics, host, monitor.

use std::convert::Infallible;
use std::time::SystemTime;

use axum::body::Body;
use futures::stream;
use http::{HeaderValue, StatusCode};

use crate::http::extract::Call;
use crate::http::reply::{Answer, Failure, Reply};
use crate::{host, log, telemetry};

/// `GET /v1/agent/metrics`
pub fn metrics(call: &Call<'_>) -> Answer {
    let registry =
        telemetry::registry().ok_or_else(|| Failure::internal("metrics are not recorded by this process"))?;
    if call.query.text("format") != "prometheus" {
        return Reply::json_of(&telemetry::json(registry, SystemTime::now()));
    }
    if registry.retention().is_zero() {
        let text = "Prometheus is not enabled since its retention time is not positive";
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    let text = telemetry::text(registry, SystemTime::now());
    let kind = HeaderValue::from_static(telemetry::CONTENT_TYPE);
    Ok(Reply::text(StatusCode::OK, text).with_header(http::header::CONTENT_TYPE, kind))
}

/// `GET /v1/agent/host`
pub async fn host() -> Answer {
    let facts = tokio::task::spawn_blocking(host::describe).await;
    Reply::json_of(&facts.map_err(|error| Failure::internal(format!("reading the host's facts failed: {error}")))?)
}

/// `GET /v1/agent/monitor`: the log from now on, until the client goes.
pub fn monitor(call: &Call<'_>) -> Answer {
    let level = match call.query.text("loglevel") {
        "" => "INFO",
        level => level,
    };
    let watched = log::monitor(level, call.query.has("logjson"));
    let watched = watched.map_err(|error| Failure::bad_request(format!("Bad request: {error}")))?;
    let monitor = watched.ok_or_else(|| Failure::internal("this process has no log to watch"))?;
    let lines = stream::unfold(monitor, |mut monitor| async {
        let line = monitor.next().await?;
        Some((Ok::<_, Infallible>(line), monitor))
    });
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    Ok(Reply::stream(kind, Body::from_stream(lines)))
}
