//! `/v1/discovery-chain`.

use model::{Json, ServiceName};
use server::request::{MeshQuery, Overrides, Query};

use crate::http::decode::decode_any;
use crate::http::extract::Call;
use crate::http::reply::{Answer, Failure};

/// The chain of a service; a body, if one is sent, says what the caller wants otherwise.
pub async fn compile(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let options = call.read_options()?;
    let service = ServiceName::new(call.name("Bad request: Missing chain name")?);
    let body = call.take_body().await?;
    let overrides = if body.is_empty() { Overrides::default() } else { read_overrides(&body)? };
    let datacenter = [call.query.text("compile-dc"), call.query.text("dc"), &call.state.datacenter];
    let datacenter = datacenter.into_iter().find(|name| !name.is_empty()).unwrap_or_default().to_owned();
    let query = Query::Mesh(MeshQuery::Chain { service, datacenter, overrides });
    let reply = call.catalog_read(options, query).await?;
    Ok(call.mark_uncached(reply))
}

fn read_overrides(body: &[u8]) -> Result<Overrides, Failure> {
    let wrong = |error: String| Failure::bad_request(format!("Bad request: Request decoding failed: {error}"));
    let Json::Object(given) = decode_any(body).map_err(|error| wrong(error.to_string()))? else {
        let text = "json: cannot unmarshal array into Go value of type map[string]interface {}";
        return Err(wrong(text.to_owned()));
    };
    let field = |name: &str| given.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let text = |value: Option<&Json>| value.and_then(Json::as_str).unwrap_or_default().to_owned();
    let connect_timeout = match field("OverrideConnectTimeout") {
        Some(Json::String(text)) => model::parse_nanos(text).map_err(|error| {
            wrong(format!("1 error(s) decoding:\n\n* error decoding 'OverrideConnectTimeout': {error}"))
        })?,
        Some(Json::Number(number)) => number.as_i64().unwrap_or_default(),
        _ => 0,
    };
    let mesh_gateway = text(field("OverrideMeshGateway").and_then(|gateway| gateway.get("Mode")));
    if !matches!(mesh_gateway.as_str(), "" | "none" | "local" | "remote") {
        return Err(Failure::bad_request("Invalid OverrideMeshGateway.Mode parameter"));
    }
    Ok(Overrides { protocol: text(field("OverrideProtocol")), connect_timeout, mesh_gateway })
}
