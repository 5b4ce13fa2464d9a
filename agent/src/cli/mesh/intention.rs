//! `consul intention`.

use std::time::UNIX_EPOCH;

use client::{Client, Error, Method, os_error_text};
use model::{DEFAULT_NAMESPACE, Json};
use serde_json::json;

use super::{datacenter, group};
use crate::cli::connect::{query_options, with_agent};
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};

const ALL: [&str; 2] = ["connect", "intentions"];

/// The row of the group.
pub const COMMAND: Command = group(
    "intention",
    "Interact with Connect service intentions",
    "Shows and changes which services may call each other.\n\nLet \"web\" call \"db\":\n\n    $ consul intention create web db",
);

const fn row(
    name: &'static str,
    synopsis: &'static str,
    usage: &'static str,
    flags: &'static [Flag],
    run: fn(&Parsed) -> Outcome,
) -> Command {
    Command { name, synopsis, usage, about: synopsis, flags, shared: Shared::HttpAndServer, run: Run::Once(run) }
}

/// The row of `create`.
pub const CREATE: Command = row(
    "intention create",
    "Create intentions for service connections.",
    "[options] SRC DST",
    &[
        Flag::new("allow", Takes::Bool, "Let the source call the destination; so by default."),
        Flag::new("deny", Takes::Bool, "Do not let it."),
        Flag::new("file", Takes::Bool, "The arguments are JSON files that hold an intention each."),
        Flag::new("meta", Takes::Text("value"), "Metadata, key=value. May be repeated."),
        Flag::new("replace", Takes::Bool, "Change an intention between the same services."),
    ],
    create,
);
/// The row of `check`.
pub const CHECK: Command = row(
    "intention check",
    "Check whether a connection between two services is allowed.",
    "[options] SRC DST",
    &[],
    check,
);
/// The row of `get`.
pub const GET: Command = row("intention get", "Show information about an intention.", "[options] SRC DST|ID", &[], get);
/// The row of `match`.
pub const MATCH: Command = row(
    "intention match",
    "Show intentions that match a source or destination.",
    "[options] SRC|DST",
    &[
        Flag::new("destination", Takes::Bool, "The argument is what is called; so by default."),
        Flag::new("source", Takes::Bool, "The argument is who calls."),
    ],
    matching,
);
/// The row of `delete`.
pub const DELETE: Command = row("intention delete", "Delete an intention.", "[options] SRC DST|ID", &[], delete);

fn split(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or((DEFAULT_NAMESPACE, name))
}

fn end(intention: &Json, side: &str) -> String {
    let field = |name: &str| intention[format!("{side}{name}")].as_str().unwrap_or_default();
    match field("NS") {
        "" | DEFAULT_NAMESPACE => field("Name").to_owned(),
        namespace => format!("{namespace}/{}", field("Name")),
    }
}

fn shown(intention: &Json) -> String {
    let action = intention["Action"].as_str().unwrap_or_default();
    format!("{} => {} ({action})", end(intention, "Source"), end(intention, "Destination"))
}

fn plain(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("Error: {error}"))
}

/// The intentions that a command line asks to make.
fn wanted(parsed: &Parsed) -> Result<Vec<Json>, Failure> {
    if parsed.is_set("file") {
        let read = |path: &String| {
            let text = std::fs::read_to_string(path)
                .map_err(|error| plain(&format!("open {path}: {}", os_error_text(&error))))?;
            serde_json::from_str(&text).map_err(|error| match error.is_eof() {
                true => plain(&"unexpected EOF"),
                false => plain(&error),
            })
        };
        return parsed.args.iter().map(read).collect();
    }
    let [source, destination] = parsed.args.as_slice() else {
        return Err(plain(&"Must specify two arguments: source and destination"));
    };
    let (source, destination) = (split(source), split(destination));
    let meta = parsed.values("meta").map(|pair| {
        let parts = pair.split_once('=').map(|(key, value)| (key.to_owned(), value.into()));
        let why = format!("invalid value {pair:?} for flag -meta: Missing \"=\" value in argument: {pair}");
        parts.ok_or_else(|| Failure::new(why))
    });
    Ok(vec![json!({
        "SourceNS": source.0,
        "SourceName": source.1,
        "DestinationNS": destination.0,
        "DestinationName": destination.1,
        "SourceType": "consul",
        "Action": if parsed.is_set("deny") { "deny" } else { "allow" },
        "Meta": meta.collect::<Result<serde_json::Map<String, Json>, Failure>>()?,
    })])
}

fn create(parsed: &Parsed) -> Outcome {
    if parsed.is_set("allow") && parsed.is_set("deny") {
        return Err(Failure::new("Only one of -allow or -deny may be specified."));
    }
    let wanted = wanted(parsed)?;
    with_agent(parsed, async |client| {
        let mut done = String::new();
        for intention in &wanted {
            let text = shown(intention);
            let wrong = |verb: &str, error: &Error| Failure {
                done: done.clone(),
                ..Failure::new(format!("Error {verb} intention {text:?}: {error}"))
            };
            let old = match parsed.is_set("replace") {
                true => find(&client, parsed, &end(intention, "Source"), &end(intention, "Destination")).await,
                false => Ok(None),
            };
            if let Some(old) = old.map_err(|error| wrong("replacing", &error))? {
                let id = old["ID"].as_str().unwrap_or_default();
                let changed =
                    client.write_document(Method::Put, &[ALL[0], ALL[1], id], &datacenter(parsed), intention).await;
                changed.map_err(|error| wrong("replacing", &error))?;
                continue;
            }
            let made = client.write_document(Method::Post, &ALL, &datacenter(parsed), intention).await;
            made.map_err(|error| wrong("creating", &error))?;
            done.push_str(&format!("Created: {text}\n"));
        }
        Ok(Report { out: done.into_bytes(), ..Report::default() })
    })
}

/// The intention between exactly these two.
async fn find(client: &Client, parsed: &Parsed, source: &str, destination: &str) -> Result<Option<Json>, Error> {
    let all = client.document(&ALL, &[], &query_options(parsed)).await?;
    let ends = |side: &str, intention: &Json| {
        let field = |name: &str| intention[format!("{side}{name}")].as_str().unwrap_or_default().to_owned();
        (field("NS"), field("Name"))
    };
    let owned = |(namespace, name): (&str, &str)| (namespace.to_owned(), name.to_owned());
    let (source, destination) = (owned(split(source)), owned(split(destination)));
    let is_it =
        |intention: &&Json| ends("Source", intention) == source && ends("Destination", intention) == destination;
    Ok(all.as_array().into_iter().flatten().find(is_it).cloned())
}

/// The id that the arguments mean: one is an id, two are the ends.
async fn id_of(client: &Client, parsed: &Parsed) -> Result<String, Failure> {
    match parsed.args.as_slice() {
        [id] => Ok(id.clone()),
        [source, destination] => {
            let found = find(client, parsed, source, destination).await.map_err(|error| plain(&error))?;
            let id = found.as_ref().and_then(|found| found["ID"].as_str()).map(str::to_owned);
            id.ok_or_else(|| {
                let names = format!("source {source:?} and destination {destination:?}");
                plain(&format!("Intention with {names} not found."))
            })
        }
        _ => Err(plain(&"command requires exactly 1 or 2 arguments")),
    }
}

fn check(parsed: &Parsed) -> Outcome {
    let [source, destination] = parsed.args.as_slice() else {
        let err = "Error: command requires exactly two arguments: src and dst\n".to_owned();
        return Ok(Report { err, code: 2, ..Report::default() });
    };
    with_agent(parsed, async |client| {
        let pairs = [("source", source.as_str()), ("destination", destination.as_str())];
        let verdict = client.document(&[ALL[0], ALL[1], "check"], &pairs, &query_options(parsed)).await;
        let verdict = match verdict {
            Ok(verdict) => verdict,
            Err(error) => {
                let err = format!("Error checking the connection: {error}\n");
                return Ok(Report { err, code: 2, ..Report::default() });
            }
        };
        match verdict["Allowed"] == true {
            true => Ok(Report::line("Allowed")),
            false => Ok(Report { code: 1, ..Report::line("Denied") }),
        }
    })
}

fn get(parsed: &Parsed) -> Outcome {
    with_agent(parsed, async |client| {
        let id = id_of(&client, parsed).await?;
        let found = client.document(&[ALL[0], ALL[1], &id], &[], &query_options(parsed)).await;
        let found = found.map_err(|error| {
            let why = match error {
                Error::Status { status, body } => format!("Unexpected response {status}: {body}"),
                other => other.to_string(),
            };
            Failure::new(format!("Error reading the intention: {why}"))
        })?;
        let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
        let mut rows = vec![
            ("Source:".to_owned(), end(&found, "Source")),
            ("Destination:".to_owned(), end(&found, "Destination")),
            ("Action:".to_owned(), text("Action")),
            ("ID:".to_owned(), text("ID")),
        ];
        if !text("Description").is_empty() {
            rows.push(("Description:".to_owned(), text("Description")));
        }
        let meta = found["Meta"].as_object().into_iter().flatten();
        rows.extend(meta.map(|(key, value)| (format!("Meta[{key}]:"), value.as_str().unwrap_or_default().to_owned())));
        rows.push(("Created At:".to_owned(), long_date(&text("CreatedAt"))));
        let width = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or_default();
        Ok(Report::lines(rows.iter().map(|(label, value)| format!("{label:width$}  {value}"))))
    })
}

/// `Sunday, 22-Nov-26 13:44:19 UTC` for a time in RFC 3339.
fn long_date(text: &str) -> String {
    const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let Ok(time) = humantime::parse_rfc3339(text) else { return text.to_owned() };
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400;
    let day = DAYS[usize::try_from(since % 7).unwrap_or_default()];
    let plain = humantime::format_rfc3339_seconds(time).to_string();
    let part = |range: std::ops::Range<usize>| plain.get(range).unwrap_or_default();
    let month = part(5..7).parse::<usize>().ok().and_then(|month| MONTHS.get(month - 1)).copied().unwrap_or_default();
    format!("{day}, {}-{month}-{} {} UTC", part(8..10), part(2..4), part(11..19))
}

fn matching(parsed: &Parsed) -> Outcome {
    let [name] = parsed.args.as_slice() else {
        return Err(plain(&"command requires exactly one argument: src or dst"));
    };
    if parsed.is_set("source") && parsed.is_set("destination") {
        return Err(plain(&"only one of -source or -destination may be specified"));
    }
    let by = if parsed.is_set("source") { "source" } else { "destination" };
    with_agent(parsed, async |client| {
        let pairs = [("by", by), ("name", name.as_str())];
        let found = client.document(&[ALL[0], ALL[1], "match"], &pairs, &query_options(parsed)).await;
        let found = found.map_err(|error| Failure::new(format!("Error matching the connection: {error}")))?;
        let all = found.as_object().into_iter().flatten().flat_map(|(_, all)| all.as_array().into_iter().flatten());
        Ok(Report::lines(all.map(shown)))
    })
}

fn delete(parsed: &Parsed) -> Outcome {
    with_agent(parsed, async |client| {
        let id = id_of(&client, parsed).await?;
        let (below, pairs) = ([ALL[0], ALL[1], id.as_str()], datacenter(parsed));
        let gone = client.write_document(Method::Delete, &below, &pairs, &Json::Null).await;
        gone.map_err(|error| Failure::new(format!("Error reading the intention: {error}")))?;
        Ok(Report::line("Intention deleted."))
    })
}

#[cfg(test)]
mod tests {
    use super::long_date;

    #[test]
    fn dates_are_gos() {
        assert_eq!(long_date("2026-11-22T23:30:13.123Z"), "Sunday, 22-Nov-26 23:30:13 UTC");
        assert_eq!(long_date("2024-02-29T00:00:00Z"), "Thursday, 29-Feb-24 00:00:00 UTC");
        assert_eq!(long_date("never"), "never");
    }
}
