//! What all commands share: the row, finding one, help, and what goes where with which exit code.

use std::io::Write as _;
use std::process::ExitCode;

use super::flags::{Flag, Parsed, Takes, parse};

/// Exit code where the command line names no command.
const EXIT_NO_COMMAND: u8 = 127;
/// Most characters on a line of help: what every terminal shows.
const WIDTH: usize = 80;

/// One command of the program.
#[derive(Clone, Copy)]
pub struct Command {
    /// Words that name it, as `kv get`.
    pub name: &'static str,
    /// One line for the list of commands.
    pub synopsis: &'static str,
    /// What follows the name in the usage line, as `[options] KEY`.
    pub usage: &'static str,
    /// Description for the help, wrapped by its author.
    pub about: &'static str,
    /// Flags of its own.
    pub flags: &'static [Flag],
    /// Flags it shares with others.
    pub shared: Shared,
    /// Runs it.
    pub run: Run,
}

/// What is done with a command line.
#[derive(Clone, Copy)]
pub enum Run {
    /// Commands below this one; this one alone shows its help.
    Group,
    /// Asks an agent over HTTP, or nobody.
    Once(fn(&Parsed) -> Outcome),
    /// Reads its own words and runs until it is told to stop.
    Agent(fn(&[String]) -> ExitCode),
}

/// Flags that commands share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// None.
    None,
    /// Those of `consul agent`, which come from the schema of the configuration.
    Agent,
    /// How to reach the agent.
    Http,
    /// The same, and which datacenter to ask how.
    HttpAndServer,
}

/// What a command wants written, or why it failed.
pub type Outcome = Result<Report, Failure>;

/// What a command wants written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// For the standard output; bytes, because values of keys are.
    pub out: Vec<u8>,
    /// For the standard error.
    pub err: String,
    /// Exit code.
    pub code: u8,
}

impl Report {
    /// Nothing to say.
    #[must_use]
    pub fn silent() -> Self {
        Self::default()
    }

    /// Text, written with a line feed.
    #[must_use]
    pub fn line(text: impl AsRef<str>) -> Self {
        Self { out: format!("{}\n", text.as_ref()).into_bytes(), ..Self::default() }
    }

    /// Lines, each written with a line feed.
    #[must_use]
    pub fn lines(lines: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let out: String = lines.into_iter().flat_map(|line| [line.as_ref().to_owned(), "\n".to_owned()]).collect();
        Self { out: out.into_bytes(), ..Self::default() }
    }
}

/// Why a command failed; exit code 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was done before, for the standard output.
    pub done: String,
    /// Message for the standard error.
    pub message: String,
    /// Whether the help of the command follows the message.
    pub with_help: bool,
}

impl Failure {
    /// A failure with its message.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { done: String::new(), message: message.into(), with_help: false }
    }

    /// A wrong use: the help follows the message.
    #[must_use]
    pub fn misuse(message: impl Into<String>) -> Self {
        Self { with_help: true, ..Self::new(message) }
    }
}

/// Flags that say how to reach the agent.
const HTTP_FLAGS: &[Flag] = &[
    Flag::new("ca-file", Takes::Text("value"), "File of authorities to trust for TLS, also CONSUL_CACERT."),
    Flag::new("ca-path", Takes::Text("value"), "Folder of such files, also CONSUL_CAPATH."),
    Flag::new("client-cert", Takes::Text("value"), "Certificate to show for TLS, also CONSUL_CLIENT_CERT."),
    Flag::new("client-key", Takes::Text("value"), "Its key, also CONSUL_CLIENT_KEY."),
    Flag::new(
        "http-addr",
        Takes::Text("address"),
        "Address and port of the agent's HTTP interface, https:// for TLS or unix:// for a socket; also \
         CONSUL_HTTP_ADDR. By default http://127.0.0.1:8500.",
    ),
    Flag::new(
        "tls-server-name",
        Takes::Text("value"),
        "Name that the agent's certificate must have, also CONSUL_TLS_SERVER_NAME.",
    ),
    Flag::new("token", Takes::Text("value"), "Token to send with the request, also CONSUL_HTTP_TOKEN."),
    Flag::new("token-file", Takes::Text("value"), "File that holds the token, also CONSUL_HTTP_TOKEN_FILE."),
];

/// Flags that say which servers are asked how.
const SERVER_FLAGS: &[Flag] = &[
    Flag::new("datacenter", Takes::Text("value"), "Datacenter to ask; the agent's own by default."),
    Flag::new("namespace", Takes::Text("value"), "Namespace. There is only default; kept for scripts."),
    Flag::new("stale", Takes::Bool, "Let any server answer, not only the leader."),
];

impl Command {
    /// All flags it understands.
    #[must_use]
    pub fn all_flags(&self) -> Vec<Flag> {
        let (http, server): (&[Flag], &[Flag]) = match self.shared {
            Shared::None | Shared::Agent => (&[], &[]),
            Shared::Http => (HTTP_FLAGS, &[]),
            Shared::HttpAndServer => (HTTP_FLAGS, SERVER_FLAGS),
        };
        self.flags.iter().chain(http).chain(server).copied().collect()
    }

    /// The whole help text, without a line feed at its end.
    #[must_use]
    pub fn help(&self, all: &[Self]) -> String {
        let mut help = format!(
            "{}\n\n{}",
            format!("Usage: consul {} {}", self.name, self.usage).trim_end(),
            wrapped(self.about, "  ")
        );
        if matches!(self.run, Run::Group) {
            help.push_str("\n\nSubcommands:\n");
            help.push_str(&command_list(children(all, self.name)));
        }
        if self.shared == Shared::Agent {
            help.push_str("\n\nCommand Options\n\n");
            help.push_str(&flag_list(&super::agent::flags()));
        } else if self.shared != Shared::None {
            help.push_str("\n\nHTTP API Options\n\n");
            help.push_str(&flag_list(HTTP_FLAGS));
            if self.shared == Shared::HttpAndServer {
                help.push('\n');
                help.push_str(&flag_list(SERVER_FLAGS));
            }
        }
        if !self.flags.is_empty() {
            help.push_str("\n\nCommand Options\n\n");
            help.push_str(&flag_list(self.flags));
        }
        help.trim_end().to_owned()
    }
}

/// Finds the command that the words name, runs it, writes what it wants written.
pub fn run(all: &[Command], words: &[String]) -> ExitCode {
    let (command, rest) = find(all, words);
    let wants_help = words.iter().take_while(|word| *word != "--").any(|word| is_help(word));
    let Some(command) = command else {
        return match wants_help {
            true => finish(&Report::line(usage(all))),
            false => {
                let err = format!("{}{}\n", usage(all), suggestion(all, "", words.first()));
                finish(&Report { err, code: EXIT_NO_COMMAND, ..Report::default() })
            }
        };
    };
    if wants_help {
        return finish(&Report::line(command.help(all)));
    }
    let run = match command.run {
        Run::Group => {
            let suggestion = suggestion(all, command.name, rest.first());
            return finish(&failed(&format!("{}{suggestion}", command.help(all))));
        }
        Run::Agent(run) => return run(rest),
        Run::Once(run) => run,
    };
    let parsed = match parse(&command.all_flags(), rest) {
        Ok(parsed) => parsed,
        Err(message) => return finish(&failed(&format!("{message}\nUsage:\n{}", flag_list(&command.all_flags())))),
    };
    end(run(&parsed).map_err(|failure| {
        let help = if failure.with_help { format!("\n\n{}", command.help(all)) } else { String::new() };
        Failure { message: failure.message + &help, ..failure }
    }))
}

/// Writes what came of a command.
pub fn end(outcome: Outcome) -> ExitCode {
    finish(&match outcome {
        Ok(report) => report,
        Err(Failure { done, message, .. }) => Report { out: done.into_bytes(), ..failed(&message) },
    })
}

/// The name below `parent` that was probably meant by the first word that names nothing.
fn suggestion(all: &[Command], parent: &str, word: Option<&String>) -> String {
    let Some(word) = word.filter(|word| !word.starts_with('-')) else { return String::new() };
    let below = all.iter().filter_map(|command| match command.name.rsplit_once(' ') {
        None if parent.is_empty() => Some(command.name),
        Some((above, name)) if above == parent => Some(name),
        _ => None,
    });
    let whole = |name: &str| if parent.is_empty() { name.to_owned() } else { format!("{parent} {name}") };
    let closest = config::closest(word, below);
    closest.map(|name| format!("\n\nDid you mean \"consul {}\"?", whole(name))).unwrap_or_default()
}

fn failed(message: &str) -> Report {
    Report { err: format!("{message}\n"), code: 1, ..Report::default() }
}

fn is_help(word: &str) -> bool {
    matches!(word, "-h" | "-help" | "--help")
}

/// The command with the most words that the line starts with, and the words after it.
fn find<'a, 'w>(all: &'a [Command], words: &'w [String]) -> (Option<&'a Command>, &'w [String]) {
    let depth = |command: &Command| command.name.split(' ').count();
    let named = |command: &&Command| {
        command.name.split(' ').enumerate().all(|(at, word)| words.get(at).is_some_and(|w| w == word))
    };
    let found = all.iter().filter(named).max_by_key(|command| depth(command));
    (found, &words[found.map_or(0, depth)..])
}

/// Flags, one paragraph each.
#[must_use]
pub fn flag_list(flags: &[Flag]) -> String {
    let paragraphs: Vec<String> = flags
        .iter()
        .map(|flag| {
            let value = match flag.takes {
                Takes::Bool => String::new(),
                Takes::Text(name) => format!("=<{name}>"),
                Takes::Int | Takes::Uint => "=<number>".to_owned(),
            };
            format!("  -{}{value}\n{}\n", flag.name, wrapped(flag.help, "     "))
        })
        .collect();
    paragraphs.join("\n")
}

/// The list of commands.
#[must_use]
pub fn usage(all: &[Command]) -> String {
    let top: Vec<Command> = all.iter().copied().filter(|command| !command.name.contains(' ')).collect();
    format!("Usage: consul [--version] [--help] <command> [<args>]\n\nAvailable commands are:\n{}", command_list(top))
}

fn children(all: &[Command], name: &str) -> Vec<Command> {
    let is_child = |command: &Command| command.name.rsplit_once(' ').is_some_and(|(parent, _)| parent == name);
    all.iter().copied().filter(is_child).collect()
}

fn command_list(mut commands: Vec<Command>) -> String {
    let last_word = |command: &Command| command.name.rsplit(' ').next().unwrap_or_default();
    commands.sort_by_key(last_word);
    let width = commands.iter().map(|command| last_word(command).len()).max().unwrap_or_default();
    let line = |command: &Command| format!("    {:width$}    {}", last_word(command), command.synopsis);
    commands.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Text with every line at most [`WIDTH`] wide. Lines that begin with a space are examples and stay as they are.
fn wrapped(text: &str, indent: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.trim_end().lines() {
        if line.is_empty() || line.starts_with(' ') {
            lines.push(if line.is_empty() { String::new() } else { format!("{indent}{line}") });
            open = false;
            continue;
        }
        for word in line.split_whitespace() {
            match lines.last_mut() {
                Some(last) if open && last.chars().count() + 1 + word.chars().count() <= WIDTH => {
                    last.push(' ');
                    last.push_str(word);
                }
                _ => lines.push(format!("{indent}{word}")),
            }
            open = true;
        }
    }
    lines.join("\n")
}

/// Writes what is to be written. A reader that went away (`consul kv get -keys | head`) is no failure.
pub fn finish(report: &Report) -> ExitCode {
    let written = std::io::stdout().write_all(&report.out).and_then(|()| std::io::stdout().flush());
    let _unreported = std::io::stderr().write_all(report.err.as_bytes());
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::from(report.code),
    }
}
