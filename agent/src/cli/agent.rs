//! `consul agent`: its command line, turned into a configuration. Starting the agent is not done here.

use config::schema::{Kind, Setting, settings};
use config::{Format, Inputs, Loaded};

use super::flags::{Flag, Parsed, Takes, parse as parse_flags};
use super::frame::{Command, Run, Shared, flag_list};
use super::sources::{check_data_dir, host, read};
use super::start::start;

/// The row.
pub const COMMAND: Command = Command {
    name: "agent",
    synopsis: "Runs a Consul agent",
    usage: "[options]",
    about: "Runs an agent until it gets SIGINT or SIGTERM, or `consul leave`. An agent is a client unless -server or -dev is\n\
            given.",
    flags: &[],
    shared: Shared::Agent,
    run: Run::Agent(start),
};

/// Flags that set no key.
const OWN_FLAGS: &[Flag] = &[
    Flag::new(
        "config-dir",
        Takes::Text("value"),
        "Directory whose .json and .hcl files are read in lexical order. May be repeated.",
    ),
    Flag::new("config-file", Takes::Text("value"), "Configuration file, .json or .hcl. May be repeated."),
    Flag::new("config-format", Takes::Text("string"), "Format of all configuration files: hcl or json."),
    Flag::new("dev", Takes::Bool, "Run a server that keeps nothing on disk, for trying things out."),
    Flag::new("hcl", Takes::Text("value"), "Piece of HCL that overrides everything else. May be repeated."),
];

/// All flags of `consul agent`, by name.
#[must_use]
pub fn flags() -> Vec<Flag> {
    let of_setting = |setting: &&'static Setting| !setting.flag.is_empty();
    let mut flags: Vec<Flag> = settings().filter(of_setting).map(flag_of).chain(OWN_FLAGS.iter().copied()).collect();
    flags.sort_by_key(|flag| flag.name);
    flags
}

fn flag_of(setting: &'static Setting) -> Flag {
    let takes = match setting.kind {
        Kind::Bool => Takes::Bool,
        Kind::Int => Takes::Int,
        Kind::TextMap => Takes::Text("key:value"),
        _ => Takes::Text("value"),
    };
    Flag::new(setting.flag, takes, setting.doc)
}

/// Reads the words after `consul agent`, the files they name and the host's facts. The message of an error is complete,
/// ready for the standard error.
pub fn parse(words: &[String]) -> Result<Loaded, String> {
    let flags = flags();
    let parsed = parse_flags(&flags, words)
        .map_err(|message| format!("{message}\nUsage:\n{}==> error parsing flags: {message}", flag_list(&flags)))?;
    if !parsed.args.is_empty() {
        return Err(format!("==> Unexpected extra arguments: [{}]", super::input::surplus(&parsed.args)));
    }
    load(&parsed).map_err(|message| format!("==> {message}"))
}

fn load(parsed: &Parsed) -> Result<Loaded, String> {
    let format = config_format(parsed.text("config-format"))?;
    let mut inputs = Inputs { dev: parsed.is_set("dev"), ..Inputs::default() };
    let mut skipped = Vec::new();
    for (flag, value) in &parsed.flags {
        match *flag {
            "config-dir" | "config-file" => {
                let found = read(value, format)?;
                inputs.files.extend(found.sources);
                skipped.extend(found.skipped);
            }
            "hcl" => inputs.fragments.push(value.clone()),
            "dev" | "config-format" => {}
            flag => inputs.flags.push((flag.to_owned(), value.clone())),
        }
    }
    let mut loaded = config::load(&inputs, &host()).map_err(|problems| problems.to_string())?;
    if let Some(data_dir) = &loaded.config.data_dir {
        check_data_dir(data_dir)?;
    }
    skipped.append(&mut loaded.warnings);
    Ok(Loaded { warnings: skipped, ..loaded })
}

/// The format that `-config-format` names.
pub(super) fn config_format(name: Option<&str>) -> Result<Option<Format>, String> {
    match name {
        None => Ok(None),
        Some("hcl") => Ok(Some(Format::Hcl)),
        Some("json") => Ok(Some(Format::Json)),
        Some(_) => Err("-config-format must be either 'hcl' or 'json'".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_walk_through_parses() {
        let line = "-server -bootstrap-expect 2 -data-dir=data -node=n1 -bind=127.0.0.5 -client=0.0.0.0 -retry-join a -retry-join b";
        let config = parse(&words(line)).unwrap().config;
        assert!(config.server);
        assert_eq!((config.bootstrap_expect, config.node_name.as_str()), (2, "n1"));
        assert_eq!(config.retry_join, ["a", "b"]);
        assert_eq!(config.http_addrs(), ["0.0.0.0:8500".parse().unwrap()]);
        assert!(parse(&words("-dev -bind 127.0.0.1")).unwrap().config.dev_mode);
    }

    #[test]
    fn later_sources_win_but_lists_are_joined() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("b.hcl"), "node_name = \"fromb\" retry_join = [\"b\"]").unwrap();
        std::fs::write(dir.path().join("a.json"), "{\"node_name\": \"froma\", \"retry_join\": [\"a\"]}").unwrap();
        std::fs::write(dir.path().join("c.yaml"), "x").unwrap();
        let line = format!("-dev -bind=127.0.0.1 -retry-join=flag -config-dir {}", dir.path().display());
        let loaded = parse(&words(&line)).unwrap();
        assert_eq!(loaded.config.node_name, "fromb");
        assert_eq!(loaded.config.retry_join, ["flag", "a", "b"]);
        assert!(loaded.warnings[0].contains("c.yaml"), "{:?}", loaded.warnings);
        let config = parse(&words(&format!("{line} -node=flag -hcl node_name=\"hcl\""))).unwrap().config;
        assert_eq!(config.node_name, "hcl");
    }

    #[test]
    fn says_what_is_wrong() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let as_file = format!("-bind=127.0.0.1 -data-dir={}", file.path().display());
        let not_a_dir = format!("==> data_dir {:?} is not a directory", file.path().display().to_string());
        for (line, message) in [
            ("extra", "==> Unexpected extra arguments: [extra]"),
            ("-bind=127.0.0.1", "==> data_dir cannot be empty"),
            (
                "-dev -bind=127.0.0.1 -config-file=/nonexistent",
                "==> config: Open failed on /nonexistent. open /nonexistent: no such file or directory",
            ),
            ("-dev -bind=127.0.0.1 -config-format=x", "==> -config-format must be either 'hcl' or 'json'"),
            (&as_file, &not_a_dir),
            (
                "-dev -bind=127.0.0.1 -bootstrap-expect=2",
                "==> 'bootstrap_expect > 0' not allowed in dev mode (flag -bootstrap-expect)",
            ),
        ] {
            assert_eq!(parse(&words(line)).unwrap_err(), message);
        }
        let bogus = parse(&words("-bogus")).unwrap_err();
        assert!(bogus.starts_with("flag provided but not defined: -bogus\nUsage:\n"), "{bogus}");
        assert!(bogus.ends_with("==> error parsing flags: flag provided but not defined: -bogus"), "{bogus}");
        let encrypt = parse(&words("-dev -bind=127.0.0.1 -encrypt=abc")).unwrap_err();
        let wanted = "==> encrypt has invalid key: illegal base64 data at input byte 0 (flag -encrypt)";
        assert_eq!(encrypt, wanted);
    }
}
