//! The page of all commands, made from their table.

use super::frame::{Command, Run};

const HEAD: &str = "<!-- Generated from the table of commands. Do not edit; run `UPDATE=1 cargo test -p agent --test \
reference`. -->

# The command line

`consul COMMAND -help` says everything about a command. Flags come before arguments, with one dash or two, as
`-name=value` or `-name value`. A failure is told on the standard error with exit code 1; a line that names no command
ends with 127.

The agent to ask is given by flags or by the environment: `-http-addr` and `CONSUL_HTTP_ADDR` (`host:port`, `https://` or
`unix:///path`), `-token` and `CONSUL_HTTP_TOKEN`, `-token-file` and `CONSUL_HTTP_TOKEN_FILE`, `-ca-file` and
`CONSUL_CACERT`, `-ca-path` and `CONSUL_CAPATH`, `-client-cert` and `CONSUL_CLIENT_CERT`, `-client-key` and
`CONSUL_CLIENT_KEY`, `-tls-server-name` and `CONSUL_TLS_SERVER_NAME`; and by `CONSUL_HTTP_SSL`,
`CONSUL_HTTP_SSL_VERIFY` and `CONSUL_HTTP_AUTH` (`name:password`, for a proxy). A flag wins over its variable.

`consul -autocomplete-install` lets bash, zsh and fish complete commands and flags; `-autocomplete-uninstall` undoes it.

| command | what it does |
|---|---|
";

/// The whole page.
#[must_use]
pub fn page(all: &[Command]) -> String {
    let mut commands: Vec<&Command> = all.iter().filter(|command| !matches!(command.run, Run::Group)).collect();
    commands.sort_by_key(|command| command.name);
    let row =
        |command: &&Command| format!("| `consul {}` | {} |\n", command.name, command.synopsis.trim_end_matches('.'));
    HEAD.to_owned() + &commands.iter().map(row).collect::<String>()
}
