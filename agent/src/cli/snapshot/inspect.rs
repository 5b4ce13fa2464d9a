//! `consul snapshot inspect`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;

use client::os_error_text;
use serde_json::{Value, json};

use super::progress::size;
use crate::archive::{self, Meta, Opened};
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::cli::output::pretty_json;

/// Parts of a key that `-kvdetails` groups by unless `-kvdepth` says otherwise.
const DEPTH_DEFAULT: u64 = 2;

/// The row.
pub const COMMAND: Command = Command {
    name: "snapshot inspect",
    synopsis: "Displays information about a Consul snapshot file",
    usage: "[options] FILE",
    about: "Verifies FILE, which this program or a Consul 1.8 server has saved, and shows what is in it. No agent is asked.",
    flags: &[
        Flag::new("format", Takes::Text("pretty|json"), "Form of the output."),
        Flag::new("kvdepth", Takes::Uint, "Parts of a key that -kvdetails groups by; 2 by default."),
        Flag::new("kvdetails", Takes::Bool, "Show how much is under which prefix of keys."),
        Flag::new("kvfilter", Takes::Text("string"), "Prefix of the keys that -kvdetails looks at."),
    ],
    shared: Shared::None,
    run: Run::Once(run),
};

/// Count and bytes of some records.
type Row = (String, u64, u64);

fn run(parsed: &Parsed) -> Outcome {
    let path = super::file(parsed)?;
    let opening = |error| Failure::new(format!("Error opening snapshot file: open {path}: {}", os_error_text(&error)));
    let file = File::open(path).map_err(opening)?;
    let opened = archive::read(BufReader::new(file))
        .map_err(|error| Failure::new(format!("Error verifying snapshot: {error}")))?;
    let keys = parsed.is_set("kvdetails").then(|| {
        let depth = parsed.uint("kvdepth").unwrap_or(DEPTH_DEFAULT);
        key_rows(&opened.state, depth, parsed.text("kvfilter").unwrap_or_default())
    });
    match parsed.text("format") {
        None | Some("pretty") => Ok(Report::lines(pretty(&opened, keys.as_deref()))),
        Some("json") => Ok(Report::line(pretty_json(&as_json(&opened, keys.as_deref()), b"   "))),
        Some(other) => Err(Failure::new(format!("Invalid format {other:?}: use pretty or json"))),
    }
}

fn kind_rows(opened: &Opened) -> Vec<Row> {
    let mut rows: Vec<Row> =
        opened.inventory.rows.iter().map(|(name, row)| ((*name).to_owned(), row.count, row.bytes)).collect();
    sort(&mut rows);
    rows
}

fn key_rows(state: &state::Snapshot, depth: u64, filter: &str) -> Vec<Row> {
    let mut found: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for entry in state.entries().filter(|entry| entry.key.starts_with(filter.as_bytes())) {
        let key = entry.key.to_text();
        let parts: Vec<&str> =
            key.splitn(usize::try_from(depth).unwrap_or(usize::MAX).saturating_add(1), '/').collect();
        let kept = parts.len().min(usize::try_from(depth).unwrap_or(usize::MAX));
        let row = found.entry(parts[..kept].join("/")).or_default();
        row.0 += 1;
        row.1 += (entry.key.len() + entry.value.0.len()) as u64;
    }
    let mut rows: Vec<Row> = found.into_iter().map(|(name, (count, bytes))| (name, count, bytes)).collect();
    sort(&mut rows);
    rows
}

/// The largest first.
fn sort(rows: &mut [Row]) {
    rows.sort_by(|one, other| other.2.cmp(&one.2).then_with(|| one.0.cmp(&other.0)));
}

fn pretty(opened: &Opened, keys: Option<&[Row]>) -> Vec<String> {
    let Meta { version, id, index, term, size: bytes, .. } = &opened.meta;
    let mut lines: Vec<String> = [
        ("ID", id.clone()),
        ("Size", bytes.to_string()),
        ("Index", index.to_string()),
        ("Term", term.to_string()),
        ("Version", version.to_string()),
    ]
    .iter()
    .map(|(name, value)| format!("{name:<13}{value}"))
    .collect();
    lines.push(String::new());
    lines.extend(table("Type", &kind_rows(opened)));
    if let Some(keys) = keys {
        lines.push(String::new());
        lines.extend(table("Key Name", keys));
    }
    for (name, row) in opened.inventory.rows.iter().filter(|(_, row)| row.is_left_out) {
        lines.push(format!("A restore leaves out {} x {name}: there is no place for it in this version.", row.count));
    }
    lines
}

fn table(what: &str, rows: &[Row]) -> Vec<String> {
    let line = |name: &str, count: &str, bytes: &str| format!("{name:<28}{count:<11}{bytes}");
    let mut lines = vec![line(what, "Count", "Size"), line("----", "----", "----")];
    lines.extend(rows.iter().map(|(name, count, bytes)| line(name, &count.to_string(), &size(*bytes))));
    lines.push(line("----", "----", "----"));
    lines.push(line("Total", "", &size(rows.iter().map(|row| row.2).sum())));
    lines
}

fn as_json(opened: &Opened, keys: Option<&[Row]>) -> Value {
    let rows = |rows: &[Row], name: &str| -> Value {
        rows.iter().map(|(kind, count, bytes)| json!({name: kind, "Count": count, "Sum": bytes})).collect()
    };
    let total = |rows: &[Row]| rows.iter().map(|row| row.2).sum::<u64>();
    let (kinds, Meta { id, size, index, term, version, .. }) = (kind_rows(opened), &opened.meta);
    let mut json = json!({
        "Meta": {"ID": id, "Size": size, "Index": index, "Term": term, "Version": version},
        "Stats": rows(&kinds, "Name"),
        "TotalSize": total(&kinds),
    });
    if let Some(keys) = keys {
        json["StatsKV"] = rows(keys, "Name");
        json["TotalSizeKV"] = total(keys).into();
    }
    json
}
