//! `cargo xtask reference`: writes `docs/configuration.md` from the schema of the configuration, or with `--check` only
//! compares it.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Result, bail};
use config::schema::{CHECK, Field, FieldKind, Kind, SERVICE, Setting, Support, WATCH, settings};

use crate::tools;

const HEAD: &str = "<!-- Generated from the schema by `cargo xtask reference`. Do not edit. -->

# Configuration

The agent reads the files and directories that `-config-file` and `-config-dir` name (those of a directory in the order
of their names, `.hcl` and `.json`), then its flags, then the fragments given with `-hcl`. A later value replaces an
earlier one; lists are joined and maps merged. `consul validate` checks files without starting anything. Every mistake
is told at once, each with file and line. `consul reload`, or SIGHUP, reads everything again: a changed setting that is
marked in the column *reload* is used at once, any other is named in the log and waits for a restart.

An address may be a template: `{{ GetPrivateIP }}`, `{{ GetInterfaceIP \"eth0\" }}` or a pipeline such as
`{{ GetAllInterfaces | include \"network\" \"10.0.0.0/8\" | sort \"address\" | limit 1 | attr \"address\" }}`. Durations
are written as `300ms`, `10s` or `1h30m`.
";

const FOREIGN: &str = "
## Settings of Consul that are treated otherwise

*Accepted* means that there is nothing to do for the key. *No effect* means a warning at the start. *Refused* means that
the agent does not start with it, unless it has its default value.

| key | treated | why, and what to do |
|---|---|---|
";

/// Runs the command.
pub fn run_command(arguments: &[String]) -> Result<()> {
    match arguments {
        [] => {
            std::fs::write(path(), page())?;
            println!("  wrote {}", path().display());
            Ok(())
        }
        [check] if check == "--check" => compare(),
        _ => bail!("usage: cargo xtask reference [--check]"),
    }
}

/// Fails when the page is not what the schema says.
pub fn compare() -> Result<()> {
    if std::fs::read_to_string(path()).ok() == Some(page()) {
        return Ok(());
    }
    bail!("docs/configuration.md is not generated from the current schema; run `cargo xtask reference`")
}

fn path() -> PathBuf {
    tools::root().join("docs/configuration.md")
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## Settings\n\n| key | type | default | flag | reload | meaning |\n|---|---|---|---|---|---|\n");
    let mut working: Vec<&Setting> = settings().filter(|setting| setting.support == Support::Works).collect();
    working.sort_by_key(|setting| (setting.key.contains('.'), setting.key));
    for setting in working {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} |",
            names(setting),
            kind(setting.kind),
            default(setting),
            if setting.flag.is_empty() { String::new() } else { format!("`-{}`", setting.flag) },
            if setting.reloadable { "yes" } else { "" },
            cell(setting.doc),
        );
    }
    for (title, about, fields) in [
        ("Services", "Fields of `service` and `services`.", &SERVICE[..]),
        ("Checks", "Fields of `check` and `checks`, in a service or of the node.", &CHECK[..]),
        ("Watches", "Fields of `watches`.", &WATCH[..]),
    ] {
        let _ = write!(page, "\n## {title}\n\n{about} A dot leads into a block.\n\n| field | type |\n|---|---|\n");
        rows(&mut page, "", fields, 0);
    }
    page.push_str(FOREIGN);
    let mut foreign: Vec<&Setting> = settings().filter(|setting| setting.support != Support::Works).collect();
    foreign.sort_by_key(|setting| (setting.key.contains('.'), setting.key));
    for setting in foreign {
        let (treated, why) = match setting.support {
            Support::Works => continue,
            Support::Moot => ("accepted", setting.doc),
            Support::NoEffect(why) => ("no effect", why),
            Support::NotYet(why) => ("refused", why),
        };
        let _ = writeln!(page, "| {} | {treated} | {} |", names(setting), cell(why));
    }
    page
}

fn names(setting: &Setting) -> String {
    match setting.alias {
        "" => format!("`{}`", setting.key),
        alias => format!("`{}` (also `{alias}`)", setting.key),
    }
}

fn default(setting: &Setting) -> String {
    match setting.default {
        "null" | "\"\"" | "[]" | "{}" => String::new(),
        other => format!("`{}`", other.trim_matches('"')),
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::Int => "whole number",
        Kind::Float => "number",
        Kind::Text => "text",
        Kind::Duration => "duration",
        Kind::TextList => "list of texts",
        Kind::TextMap => "texts by name",
        Kind::DurationMap => "durations by name",
        Kind::Definitions(_) => "blocks, see below",
        Kind::Any => "any",
    }
}

/// Blocks inside blocks of the same fields (a sidecar is a service) are named once.
fn rows(page: &mut String, path: &str, fields: &[Field], depth: usize) {
    for field in fields {
        let name = format!("{path}{}", field.name);
        let (kind, below) = match field.kind {
            FieldKind::Bool => ("bool", None),
            FieldKind::Int => ("whole number", None),
            FieldKind::Text => ("text", None),
            FieldKind::Duration => ("duration", None),
            FieldKind::TextList => ("list of texts", None),
            FieldKind::TextMap => ("texts by name", None),
            FieldKind::TextListMap => ("lists of texts by name", None),
            FieldKind::One(fields) => ("block", Some((fields, "."))),
            FieldKind::Many(fields) => ("blocks", Some((fields, "[]."))),
            FieldKind::ByName(fields) => ("blocks by name", Some((fields, ".NAME."))),
            FieldKind::Free => ("any", None),
            FieldKind::NotYet(why) => {
                let _ = writeln!(page, "| `{name}` | refused: {} |", cell(why));
                continue;
            }
        };
        let _ = writeln!(page, "| `{name}` | {kind} |");
        let is_known = name.ends_with("sidecar_service") || matches!(field.name, "check" | "checks");
        if let Some((fields, between)) = below.filter(|_| depth < 4 && !is_known) {
            rows(page, &format!("{name}{between}"), fields, depth + 1);
        }
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
