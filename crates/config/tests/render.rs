//! What a program writes is what the agent reads.

use config::{Draft, Format, Host, Inputs, Source, load};
use serde_json::json;

#[test]
fn a_rendered_file_loads_with_its_values() {
    let host = Host { name: "pod-0".to_owned(), ..Host::default() };
    let draft = Draft::new()
        .set("data_dir", "/data")
        .set("server", true)
        .set("bind_addr", "10.0.0.1")
        .set("ports.http", 8080)
        .set("ports.dns", 53)
        .set("retry_join", json!(["a.b.svc"]));
    let text = draft.render(&host).unwrap();
    let inputs =
        Inputs { files: vec![Source { name: "x.json".to_owned(), format: Format::Json, text }], ..Inputs::default() };
    let config = load(&inputs, &host).unwrap().config;
    assert!(config.server);
    assert_eq!((config.ports.http, config.ports.dns), (Some(8080), Some(53)));
    assert_eq!((config.retry_join, config.node_name), (vec!["a.b.svc".to_owned()], "pod-0".to_owned()));
}

#[test]
fn a_draft_the_agent_would_refuse_is_not_rendered() {
    let host = Host { name: "pod-0".to_owned(), ..Host::default() };
    let draft = Draft::new().set("data_dir", "/data").set("bind_addr", "10.0.0.1").set("ports.htp", 1);
    let message = draft.render(&host).unwrap_err().to_string();
    assert!(message.contains("invalid config key ports.htp; did you mean \"http\"?"), "{message}");
}
