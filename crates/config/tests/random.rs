//! Whatever a configuration file holds, it is read or refused: never a panic, never more than a moment.

use std::fmt::Write as _;

use config::{Format, Host, Inputs, Interface, Source, load};
use proptest::prelude::*;

fn host() -> Host {
    let interface = Interface::new("eth0", "10.0.0.5".parse().unwrap());
    Host { name: "testhost".to_owned(), interfaces: vec![interface], ..Host::default() }
}

/// What the loader says of a text, in both formats.
fn outcomes(text: &str) -> [Result<String, String>; 2] {
    [Format::Hcl, Format::Json].map(|format| {
        let files = vec![Source { name: "x".to_owned(), format, text: text.to_owned() }];
        let loaded = load(&Inputs { files, ..Inputs::default() }, &host());
        loaded.map(|loaded| loaded.shown().to_string()).map_err(|problems| problems.to_string())
    })
}

/// A correct file with a bit of everything.
const SEED: &str = r#"data_dir = "/d" bind_addr = "{{ GetPrivateIP }}" server = true bootstrap_expect = 3
ports { http = 8500 dns = -1 } node_meta { a = "b" } retry_join = ["a", "b:1"] check_update_interval = "5m"
service { name = "web" port = 80 check { http = "http://x" interval = "10s" } connect { sidecar_service {} } }
checks = [ { id = "c", ttl = "10s" } ] telemetry { prefix_filter = ["+a", "-b"] } dns_config { service_ttl { "*" = "5s" } }
acl { enabled = true tokens { default = "x" } } watches = [ { type = "key" key = "k" args = ["true"] } ]
"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        let _outcome = outcomes(&text);
    }

    #[test]
    fn any_text_of_the_language(text in "[a{}\\[\\]\"=,<\\\\x\\n$# 1é|:.-]{0,120}") {
        let _outcome = outcomes(&text);
    }

    #[test]
    fn a_good_file_with_bytes_changed(changes in prop::collection::vec((0..SEED.len(), any::<u8>()), 1..8)) {
        let mut bytes = SEED.as_bytes().to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        let _outcome = outcomes(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_good_file_with_pieces_moved(from in 0..SEED.len(), length in 0..60usize, to in 0..SEED.len()) {
        let piece = &SEED[from..(from + length).min(SEED.len())];
        let _outcome = outcomes(&format!("{}{piece}{}", &SEED[..to], &SEED[to..]));
    }

    #[test]
    fn any_template(pipeline in "(Get(All|Private|Default)Interfaces)?[ |\"a-z0-9+-]{0,60}") {
        let _outcome = host().expand(&format!("{{{{ {pipeline} }}}}"));
    }

    #[test]
    fn any_value_for_any_key(at in any::<prop::sample::Index>(), value in "(-?[0-9]{1,20}|\"[a-z0-9./:{} -]{0,20}\"|\\[[0-9]?\\]|\\{\\}|true|null)") {
        let keys: Vec<&str> = config::schema::settings().map(|row| row.key).collect();
        let key = at.get(&keys);
        let mut text = String::new();
        let sections: Vec<&str> = key.split('.').collect();
        for section in &sections {
            let _ = write!(text, "{{\"{section}\":");
        }
        let _ = write!(text, "{value}{}", "}".repeat(sections.len()));
        let _outcome = outcomes(&text);
    }
}

#[test]
fn the_seed_is_accepted() {
    let [hcl, json] = outcomes(SEED);
    assert!(hcl.is_ok_and(|shown| shown.contains("sidecar") || shown.contains("SidecarService")));
    assert!(json.is_err());
}

#[test]
fn deep_nesting_is_refused() {
    for text in
        ["a {".repeat(10_000), "a = [".repeat(10_000), format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000))]
    {
        for outcome in outcomes(&text) {
            assert!(outcome.is_err());
        }
    }
}

/// Twice the lines take about twice the work: a file with a line for each of many keys would not end otherwise.
#[test]
fn a_long_file_is_read_line_by_line() {
    let mut text = "data_dir = \"/d\"\nbind_addr = \"10.0.0.5\"\n".to_owned();
    for number in 0..20_000 {
        let _ = writeln!(text, "services {{ name = \"s{number}\" port = 1 }}");
    }
    let [hcl, _] = outcomes(&text);
    assert!(hcl.is_ok_and(|shown| shown.contains("s19999")));
}
