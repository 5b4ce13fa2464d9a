//! `docs/differences.md` lists every answer that is on purpose another than Consul's, with the reason. It is made from the
//! conformance cases, so that it cannot say anything else than what is tested. `UPDATE=1` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const HEAD: &str = "# Deliberate differences from Consul 1.8.7\n\n\
Each of these answers is recorded beside the one of the real Consul in a conformance case. This page is made from the cases\n\
(`UPDATE=1 cargo test -p tests --test differences`); a case that differs without a reason fails.\n";

/// Reason, and the requests that it explains, by the family of the API.
type Found = BTreeMap<String, BTreeMap<String, Vec<String>>>;

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if path.extension().is_some_and(|end| end == "txt") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn is_request(line: &str) -> bool {
    ["GET ", "PUT ", "POST ", "DELETE ", "RAW", "OPTIONS ", "HEAD ", "PATCH "].iter().any(|verb| line.starts_with(verb))
}

/// What a reader recognizes the request by.
fn shown(request: &str) -> String {
    let mut parts = request.splitn(2, ' ');
    let (method, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if path.is_empty() { "bytes that are no request".to_owned() } else { format!("`{method} {path}`") }
}

/// The cases of HTTP that say why ours answers something else.
fn of_http(folder: &Path, found: &mut Found) {
    for file in files_below(folder) {
        let family = file.parent().and_then(Path::file_name).expect("a folder").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut request = String::new();
        for line in text.lines() {
            if is_request(line) {
                line.clone_into(&mut request);
            } else if let Some(reason) = line.strip_prefix("=> ours because ") {
                let requests = found.entry(family.clone()).or_default().entry(reason.to_owned()).or_default();
                let shown = shown(&request);
                if !requests.contains(&shown) {
                    requests.push(shown);
                }
            }
        }
    }
}

/// The DNS questions that are answered in another way: the reason is the comment behind the answer.
fn of_dns(file: &Path, found: &mut Found) {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let reasons = found.entry("DNS".to_owned()).or_default();
    let (mut question, mut last) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(reason) = line.strip_prefix("  # ") {
            if reason != "as above" {
                reason.clone_into(&mut last);
            }
            reasons.entry(last.clone()).or_default().push(format!("`{question}`"));
        } else if !line.starts_with(' ') {
            line.clone_into(&mut question);
        }
    }
}

fn page(found: &Found) -> String {
    let mut text = HEAD.to_owned();
    for (family, reasons) in found {
        let title = if family == "DNS" { family.clone() } else { format!("/v1/{family}") };
        let title = if family == "server" { "Any path".to_owned() } else { title };
        let _ = write!(text, "\n## {title}\n\n");
        for (reason, requests) in reasons {
            let some = requests.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
            let more = requests.len().saturating_sub(3);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let reason = reason[..1].to_uppercase() + &reason[1..];
            let _ = writeln!(text, "- {reason}: {some}{more}.");
        }
    }
    text
}

#[test]
fn the_page_says_what_the_cases_say() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Found::new();
    of_http(&here.join("conformance"), &mut found);
    of_dns(&here.join("dns/different.txt"), &mut found);
    let wanted = page(&found);
    assert!(found.len() > 5, "the cases were not found: {wanted}");
    let path = here.join("../docs/differences.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &wanted).expect("the page is written");
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(page, wanted, "docs/differences.md is not what the cases say: run this test with UPDATE=1");
}
