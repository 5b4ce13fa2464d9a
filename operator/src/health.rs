//! The operator's own health, over HTTP: `/healthz` answers while the program works.

use anyhow::{Context, Result};
use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;

/// Answers until the program ends.
pub async fn serve(address: &str) -> Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} for health checks; choose another with --health-addr"))?;
    let router = Router::new().route("/healthz", get(|| async { "ok\n" }));
    axum::serve(listener, router).await.context("the health check listener stopped")
}
