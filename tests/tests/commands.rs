//! Commands that need more than a golden text: `exec`, `debug`, `monitor` and `tls`, with both programs on either side.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::{Agent, Program, eventually};

/// Nobody else's token looks like this.
const TOKEN: &str = "c0ffee00-1111-2222-3333-444455556666";
/// Longest that a command may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command on its way; killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then both fail.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(program: &Program, address: &str, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program.path());
    command.args(arguments).current_dir(folder).env("CONSUL_HTTP_ADDR", address).stdin(Stdio::null());
    command
}

/// Standard output, standard error, exit code.
fn run(program: &Program, address: &str, folder: &Path, arguments: &[&str]) -> (String, String, Option<i32>) {
    let output = command(program, address, folder, arguments).output().expect("the command starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

fn programs() -> Vec<Program> {
    std::iter::once(Program::ours()).chain(Program::oracle()).collect()
}

/// A server that obeys `consul exec`, once its own node can have sessions.
fn obedient(program: &Program) -> Agent {
    let agent = Agent::server(program, &["-node=n1", "-hcl=disable_remote_exec = false"]);
    eventually("the server in the catalog", PATIENCE, || {
        let checks = agent.get_json("/v1/health/node/n1");
        if checks[0]["Status"] == "passing" { Ok(()) } else { Err(checks.to_string()) }
    });
    agent
}

#[test]
fn exec_of_either_program_runs_on_agents_of_either() {
    let folder = tempfile::tempdir().unwrap();
    for agent_program in programs() {
        let agent = obedient(&agent_program);
        let address = agent.address().port(8500).to_string();
        for program in programs() {
            for (arguments, lines, code) in [
                (
                    &["exec", "echo a; echo b >&2; exit 3"][..],
                    &["    n1: a", "    n1: b", "==> n1: finished with exit code 3"][..],
                    2,
                ),
                (&["exec", "-shell=false", "echo", "a  b", "$HOME"], &["    n1: a  b $HOME"], 0),
                (&["exec", "-node=^n1$", "true"], &["==> n1: finished with exit code 0"], 0),
                (&["exec", "seq 1 2000"], &["    n1: 1", "    n1: 1999", "    n1: 2000"], 0),
            ] {
                let (out, err, ended) = run(&program, &address, folder.path(), arguments);
                let who = format!("{:?} against {:?}, {arguments:?}: {out}{err}", program.path(), agent_program.path());
                assert!(lines.iter().all(|line| out.lines().any(|said| said == *line)), "{who}");
                assert!(out.ends_with("1 / 1 node(s) completed / acknowledged\n"), "{who}");
                assert_eq!(ended, Some(code), "{who}");
            }
            let (out, _, code) = run(&program, &address, folder.path(), &["exec", "-wait=1s", "-node=none", "true"]);
            assert_eq!((out.as_str(), code), ("0 / 0 node(s) completed / acknowledged\n", Some(0)));
            // A program that says nothing for longer than the wait is waited for all the same.
            let (out, _, _) = run(&program, &address, folder.path(), &["exec", "-wait=1s", "-verbose", "sleep 3"]);
            assert!(out.contains("==> n1: heartbeat received\n") && out.contains("finished with exit code 0"), "{out}");
            assert!(out.contains("Created remote execution session: ") && out.contains("Completed in "), "{out}");
        }
        let left = agent.request("GET", "/v1/kv/_rexec?keys", b"").unwrap();
        assert_eq!(left.status, 404, "keys are left behind: {}", left.text());
        assert_eq!(agent.get_json("/v1/event/list").as_array().map(Vec::len), Some(0));
    }
}

#[test]
fn agents_ignore_exec_unless_told_otherwise() {
    let agent = Agent::server(&Program::ours(), &["-node=n1"]);
    let address = agent.address().port(8500).to_string();
    eventually("the server in the catalog", PATIENCE, || {
        let checks = agent.get_json("/v1/health/node/n1");
        if checks[0]["Status"] == "passing" { Ok(()) } else { Err(checks.to_string()) }
    });
    let folder = tempfile::tempdir().unwrap();
    let ran = folder.path().join("ran");
    let line = format!("touch {}", ran.display());
    let (out, err, code) = run(&Program::ours(), &address, folder.path(), &["exec", "-wait=1s", &line]);
    assert_eq!((out.as_str(), err.as_str(), code), ("0 / 0 node(s) completed / acknowledged\n", "", Some(0)));
    assert!(!ran.exists() && agent.log().contains("ignoring remote exec event, disabled."), "{}", agent.log());
}

#[test]
fn scripts_come_from_the_standard_input() {
    let agent = obedient(&Program::ours());
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    std::fs::write(&script, "#!/bin/sh\necho from a script\nexit 1\n").unwrap();
    let address = agent.address().port(8500).to_string();
    let output = command(&Program::ours(), &address, folder.path(), &["exec", "-"])
        .stdin(std::fs::File::open(&script).unwrap())
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(out.starts_with("    n1: from a script\n"), "{out}");
    assert_eq!(output.status.code(), Some(2), "{out}");
}

#[test]
fn monitor_follows_the_log_and_ends_clean() {
    let folder = tempfile::tempdir().unwrap();
    for agent_program in programs() {
        let agent = Agent::server(&agent_program, &["-node=n1"]);
        let address = agent.address().port(8500).to_string();
        for (json, signal) in [(false, Signal::SIGINT), (true, Signal::SIGTERM)] {
            let file = folder.path().join(format!("log-{json}"));
            let mut arguments = vec!["monitor", "-log-level=debug"];
            if json {
                arguments.push("-log-json");
            }
            let child = command(&Program::ours(), &address, folder.path(), &arguments)
                .stdout(std::fs::File::create(&file).unwrap())
                .spawn()
                .unwrap();
            let mut monitor = Running(child);
            let text = || std::fs::read_to_string(&file).unwrap_or_default();
            eventually("a line of the log", PATIENCE, || {
                // Each registration is logged.
                agent.put("/v1/agent/service/register", "{\"Name\": \"logged\", \"Port\": 1}");
                agent.put("/v1/agent/service/deregister/logged", "");
                if text().contains("logged") { Ok(()) } else { Err(text()) }
            });
            if json {
                let first: serde_json::Value = serde_json::from_str(text().lines().next().unwrap_or_default()).unwrap();
                assert!(first["@level"].is_string() && first["@message"].is_string(), "{first}");
            }
            kill(Pid::from_raw(i32::try_from(monitor.0.id()).unwrap()), signal).unwrap();
            let ended = eventually("the end of the command", PATIENCE, || match monitor.0.try_wait() {
                Ok(Some(status)) => Ok(status),
                other => Err(format!("{other:?}")),
            });
            assert_eq!(ended.code(), Some(0));
        }
        let (_, err, code) = run(&Program::ours(), &address, folder.path(), &["monitor", "-log-level=zz"]);
        let text = "Error starting monitor: Unexpected response code: 400 (Bad request: Unknown log level: zz)";
        assert_eq!((err.trim(), code), (text, Some(1)));
    }
}

#[test]
fn debug_archives_have_everything_but_tokens() {
    let acl = format!(
        "-hcl=acl {{ enabled = true default_policy = \"deny\" tokens {{ master = \"{TOKEN}\" agent = \"{TOKEN}\" }} }}"
    );
    for agent_program in programs() {
        let agent = Agent::server(&agent_program, &["-node=n1", &acl]);
        let address = agent.address().port(8500).to_string();
        let folder = tempfile::tempdir().unwrap();
        eventually("the token", PATIENCE, || {
            let (_, err, code) =
                run(&Program::ours(), &address, folder.path(), &["members", &format!("-token={TOKEN}")]);
            if code == Some(0) { Ok(()) } else { Err(err) }
        });
        let (out, err, code) = run(
            &Program::ours(),
            &address,
            folder.path(),
            &["debug", &format!("-token={TOKEN}"), "-duration=10s", "-interval=5s", "-output=bundle"],
        );
        assert_eq!((err.as_str(), code), ("", Some(0)), "{out}");
        assert!(out.ends_with("    Saved debug archive: bundle.tar.gz\n") && !folder.path().join("bundle").exists());
        let unpacked = Command::new("tar").args(["xzf", "bundle.tar.gz"]).current_dir(folder.path()).status().unwrap();
        assert!(unpacked.success());
        let read = |name: &str| std::fs::read_to_string(folder.path().join("bundle").join(name)).unwrap_or_default();
        let json = |name: &str| serde_json::from_str::<serde_json::Value>(&read(name)).unwrap_or_default();
        assert_eq!(json("agent.json")["Config"]["NodeName"], "n1");
        assert_eq!(json("cluster.json")[0]["Name"], "n1.dc1");
        assert!(json("host.json")["Memory"].is_object(), "{}", read("host.json"));
        assert_eq!(json("index.json")["Interval"], "5s");
        let missing = json("index.json")["Missing"].to_string();
        // Consul gives them to operators, we have none.
        let has_no_profile = missing.contains("heap.prof: the agent gives no profile");
        assert_eq!(has_no_profile, !agent_program.is_oracle, "{missing}");
        let mut intervals = 0;
        let mut all = String::new();
        for entry in std::fs::read_dir(folder.path().join("bundle")).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            all.push_str(&read(&name));
            if name.parse::<u64>().is_ok() {
                intervals += 1;
                for file in ["metrics.json", "stats.json", "consul.log"] {
                    all.push_str(&read(&format!("{name}/{file}")));
                }
                assert!(json(&format!("{name}/metrics.json"))["Gauges"].is_array());
                assert!(json(&format!("{name}/stats.json"))["raft"].is_object());
            }
        }
        assert!(intervals >= 2, "{intervals} intervals");
        assert!(!all.contains(TOKEN), "the token is in the archive");
    }
}

#[test]
fn debug_refuses_what_it_cannot_do() {
    let agent = Agent::server(&Program::ours(), &["-node=n1"]);
    let (address, folder) = (agent.address().port(8500).to_string(), tempfile::tempdir().unwrap());
    std::fs::create_dir(folder.path().join("taken")).unwrap();
    for (flag, text) in [
        ("-duration=1s", "==> Capture validation failed: duration must be longer than 10s"),
        ("-interval=1s", "==> Capture validation failed: interval must be longer than 5s"),
        ("-capture=zz", "==> Capture validation failed: target not found: zz"),
        ("-output=taken", "==> Capture validation failed: output directory already exists: taken"),
        ("extra", "==> debug: Too many arguments provided, expected 0, got 1"),
    ] {
        let (_, err, code) = run(&Program::ours(), &address, folder.path(), &["debug", flag]);
        assert_eq!((err.trim(), code), (text, Some(1)), "{flag}");
    }
    let (_, _, code) =
        run(&Program::ours(), &address, folder.path(), &["debug", "-capture=agent", "-archive=false", "-output=left"]);
    assert!(code == Some(0) && folder.path().join("left/agent.json").is_file());
}

/// Each program makes the authority, each makes certificates of both authorities, and each agent serves with all of them.
#[test]
fn certificates_of_either_program_are_good_for_both() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let nowhere = "127.0.0.1:1";
    for (number, maker) in programs().into_iter().enumerate() {
        let domain = format!("-domain=d{number}");
        let (out, err, code) = run(&maker, nowhere, folder.path(), &["tls", "ca", "create", &domain]);
        let files = [format!("d{number}-agent-ca.pem"), format!("d{number}-agent-ca-key.pem")];
        assert_eq!(out, format!("==> Saved {}\n==> Saved {}\n", files[0], files[1]), "{err}");
        assert_eq!(code, Some(0));
        let again = run(&maker, nowhere, folder.path(), &["tls", "ca", "create", &domain]);
        assert_eq!(again, (String::new(), format!("{} already exists.\n", files[0]), Some(1)));
        for (index, signer) in programs().into_iter().enumerate() {
            for role in ["server", "client", "cli"] {
                let flag = format!("-{role}");
                let (out, err, code) = run(&signer, nowhere, folder.path(), &["tls", "cert", "create", &flag, &domain]);
                let name = format!("dc1-{role}-d{number}-{index}");
                let end = format!(
                    "==> Using {} and {}\n==> Saved {name}.pem\n==> Saved {name}-key.pem\n",
                    files[0], files[1]
                );
                assert!(out.ends_with(&end) && out.contains("WARNING") == (role == "server"), "{out}{err}");
                assert_eq!(code, Some(0));
                if !signer.is_oracle {
                    let key = folder.path().join(format!("{name}-key.pem"));
                    assert_eq!(std::fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
                }
            }
            serve(folder.path(), number, index);
        }
    }
}

/// Agents of both programs answer over HTTPS with a certificate, to clients of both that show one.
fn serve(folder: &Path, ca: usize, index: usize) {
    let path = |name: &str| folder.join(name).display().to_string();
    let server = format!("dc1-server-d{ca}-{index}");
    let hcl = format!(
        "-hcl=ca_file = {:?} cert_file = {:?} key_file = {:?} verify_incoming_https = true ports {{ https = 8501 }}",
        path(&format!("d{ca}-agent-ca.pem")),
        path(&format!("{server}.pem")),
        path(&format!("{server}-key.pem"))
    );
    for agent_program in programs() {
        let agent = Agent::server(&agent_program, &["-node=n1", &hcl]);
        for program in programs() {
            let output = Command::new(program.path())
                .args(["catalog", "datacenters"])
                .env("CONSUL_HTTP_ADDR", agent.address().port(8501).to_string())
                .env("CONSUL_HTTP_SSL", "true")
                .env("CONSUL_CACERT", path(&format!("d{ca}-agent-ca.pem")))
                .env("CONSUL_CLIENT_CERT", path(&format!("dc1-client-d{ca}-{index}.pem")))
                .env("CONSUL_CLIENT_KEY", path(&format!("dc1-client-d{ca}-{index}-key.pem")))
                .env("CONSUL_TLS_SERVER_NAME", format!("server.dc1.d{ca}"))
                .output()
                .unwrap();
            let err = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(String::from_utf8_lossy(&output.stdout), "dc1\n", "{err}");
        }
    }
}

#[test]
fn certificates_are_refused_as_by_consul() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Program::ours();
    let nowhere = "127.0.0.1:1";
    let missing = run(&ours, nowhere, folder.path(), &["tls", "cert", "create", "-server"]);
    assert_eq!(missing.1, "Error reading CA: open consul-agent-ca.pem: no such file or directory\n");
    assert_eq!(run(&ours, nowhere, folder.path(), &["tls", "ca", "create", "-name-constraint"]).2, Some(0));
    for program in programs() {
        for (arguments, text) in [
            (&[][..], "Please provide either -server, -client, or -cli"),
            (&["-server", "-client"], "Please provide either -server, -client, or -cli"),
            (&["-client", "-node=x"], "-node requires -server"),
            (&["-server", "-ca=none"], "Error reading CA: open none: no such file or directory"),
            (&["-server", "-key=none"], "Error reading CA key: open none: no such file or directory"),
        ] {
            let arguments: Vec<&str> = ["tls", "cert", "create"].iter().chain(arguments).copied().collect();
            let (_, err, code) = run(&program, nowhere, folder.path(), &arguments);
            assert_eq!((err.trim(), code), (text, Some(1)), "{arguments:?}");
        }
    }
}

/// Every flag of every command of Consul is one of ours.
#[test]
fn flags_are_those_of_consul() {
    /// Families that may not be there: configuration of the mesh, and its proxies.
    const WITHOUT: &[&str] = &["connect", "config", "intention"];
    let Some(oracle) = Program::oracle() else { return };
    let mut wrong = String::new();
    let mut groups = vec![String::new()];
    let mut count = 0;
    while let Some(group) = groups.pop() {
        let theirs = help(&oracle, &group);
        let below = if group.is_empty() { "Available commands are:\n" } else { "Subcommands:\n" };
        if let Some((_, list)) = theirs.split_once(below) {
            let names = list
                .lines()
                .take_while(|line| line.starts_with("    "))
                .filter_map(|line| line.split_whitespace().next());
            groups.extend(names.map(|name| format!("{group} {name}").trim().to_owned()));
            continue;
        }
        let ours = help_or_nothing(&Program::ours(), &group);
        let family = group.split(' ').next().unwrap_or_default();
        if WITHOUT.contains(&family) && !ours.starts_with(&format!("Usage: consul {group}")) {
            continue;
        }
        if !ours.starts_with(&format!("Usage: consul {group}")) {
            wrong.push_str(&format!("there is no `consul {group}`\n"));
            continue;
        }
        for flag in flags(&theirs).iter().filter(|flag| !flags(&ours).contains(flag)) {
            wrong.push_str(&format!("`consul {group}` has no -{flag}\n"));
        }
        count += 1;
    }
    assert!(wrong.is_empty() && count > 60, "of {count} commands:\n{wrong}");
}

fn help(program: &Program, name: &str) -> String {
    let words: Vec<&str> = name.split_whitespace().chain(["-h"]).collect();
    let (out, err, code) = run(program, "127.0.0.1:1", Path::new("/"), &words);
    assert_eq!((err.as_str(), code), ("", Some(0)), "{name} -h");
    out
}

fn help_or_nothing(program: &Program, name: &str) -> String {
    let words: Vec<&str> = name.split_whitespace().chain(["-h"]).collect();
    run(program, "127.0.0.1:1", Path::new("/"), &words).0
}

fn flags(help: &str) -> Vec<String> {
    let flag = |line: &str| Some(line.strip_prefix("  -")?.split(['=', ' ']).next()?.to_owned());
    help.lines().filter_map(flag).collect()
}

#[test]
fn tokens_are_in_no_message() {
    let agent = Agent::server(&Program::ours(), &["-node=n1", "-hcl=acl { enabled = true default_policy = \"deny\" }"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    let by_flag = format!("-token={TOKEN}");
    let by_file = format!("-token-file={}", file.display());
    let lines = [
        "members",
        "kv get a",
        "kv put a b",
        "kv bogus",
        "bogus",
        "catalog services -bogus",
        "catalog nodes",
        "leave x",
        "leave x -token TOKEN",
        "kv get a b -token=TOKEN",
        "members ---token=TOKEN",
        "members -token",
        "reload",
        "info",
        "event -name=x",
        "exec true",
        "lock a true",
        "watch -type=key -key=a -bogus",
        "operator raft list-peers",
        "operator raft remove-peer -id=x",
        "acl token read -self",
        "acl policy list",
        "monitor",
        "debug -duration=1s",
        "maint",
        "rtt n1",
        "services deregister -id=x",
        "services register -name=x",
        "join 127.0.0.1:1",
        "keyring -list",
        "snapshot save x",
        "snapshot restore token",
        "agent -token=TOKEN",
        "agent x -token=TOKEN",
    ];
    for address in [agent.address().port(8500).to_string(), "127.0.0.1:1".to_owned(), "no such address".to_owned()] {
        for line in lines {
            for way in ["flag", "file", "variable", "variable of a file", "authorization"] {
                let line = line.replace("TOKEN", TOKEN);
                let mut words: Vec<&str> = line.split_whitespace().collect();
                // Shared flags stand before the arguments, behind the words of the command.
                let at = words.iter().position(|word| word.starts_with('-')).unwrap_or(words.len());
                match way {
                    "flag" => words.insert(at, &by_flag),
                    "file" => words.insert(at, &by_file),
                    _ => {}
                }
                let mut command = command(&Program::ours(), &address, folder.path(), &words);
                match way {
                    "variable" => command.env("CONSUL_HTTP_TOKEN", TOKEN),
                    "variable of a file" => command.env("CONSUL_HTTP_TOKEN_FILE", &file),
                    "authorization" => command.env("CONSUL_HTTP_AUTH", format!("user:{TOKEN}")),
                    _ => &mut command,
                };
                let output = command.output().unwrap();
                for bytes in [&output.stdout, &output.stderr] {
                    let text = String::from_utf8_lossy(bytes);
                    // A validated file that holds nothing but a token is quoted nowhere either.
                    assert!(!text.contains(TOKEN), "{words:?} by {way} at {address}: {text}");
                }
            }
        }
    }
}

#[test]
fn bash_completes_commands_and_flags() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("bin");
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(Program::ours().path().canonicalize().unwrap(), folder.join("consul")).unwrap();
    std::fs::write(home.path().join(".bashrc"), "PS1='> '\n").unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let consul = |argument: &str| {
        Command::new(folder.join("consul")).arg(argument).env("HOME", home.path()).output().expect("consul starts")
    };
    assert!(consul("-autocomplete-install").status.success());
    assert!(!consul("-autocomplete-install").status.success(), "it is there already");
    // A terminal of its own, because bash completes nowhere else. The tabs complete to the only thing that fits.
    let mut bash = Running(
        Command::new("script")
            .args(["-qec", "bash -i", "/dev/null"])
            .env("HOME", home.path())
            .env("PATH", path)
            .env("TERM", "dumb")
            .stdin(Stdio::piped())
            .stdout(Stdio::from(std::fs::File::create(home.path().join("out")).unwrap()))
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let mut input = bash.0.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, b"consul oper\tra\tlist-p\t -h\nconsul kv get -recu\t -h | head -1\nexit\n")
        .unwrap();
    let text = || String::from_utf8_lossy(&std::fs::read(home.path().join("out")).unwrap_or_default()).into_owned();
    eventually("the help of what was completed", PATIENCE, || {
        let said = text();
        let all = said.contains("Usage: consul operator raft list-peers") && said.contains("Usage: consul kv get");
        if all { Ok(()) } else { Err(said) }
    });
    drop(input);
    assert!(consul("-autocomplete-uninstall").status.success());
    assert_eq!(std::fs::read_to_string(home.path().join(".bashrc")).unwrap(), "PS1='> '\n");
}

#[test]
fn what_is_misspelt_is_guessed() {
    for (line, code, text) in [
        (&["membres"][..], 127, "Did you mean \"consul members\"?"),
        (&["kv", "gett"], 1, "Did you mean \"consul kv get\"?"),
        (&["operator", "raft", "list-peer"], 1, "Did you mean \"consul operator raft list-peers\"?"),
        (&["qqqqqqqq"], 127, ""),
    ] {
        let (out, err, ended) = run(&Program::ours(), "127.0.0.1:1", Path::new("/"), line);
        assert!(out.is_empty() && err.trim_end().ends_with(text), "{line:?}: {err}");
        assert_eq!((ended, err.contains("Did you mean")), (Some(code), !text.is_empty()), "{line:?}");
    }
}

/// A socket, TLS, and the variables that say so.
#[test]
fn agents_are_reached_by_every_kind_of_address() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("http.sock");
    let hcl = format!("-hcl=addresses {{ http = \"unix://{}\" }}", socket.display());
    let agents: Vec<Agent> = programs()
        .iter()
        .map(|program| Agent::start(program, &["-server", "-bootstrap-expect=1", &hcl]))
        .take(1)
        .collect();
    assert_eq!(agents.len(), 1);
    let address = format!("unix://{}", socket.display());
    for program in programs() {
        eventually("an answer over the socket", PATIENCE, || {
            let (out, err, _) = run(&program, &address, folder.path(), &["catalog", "datacenters"]);
            if out == "dc1\n" { Ok(()) } else { Err(err) }
        });
        let by_flag = format!("-http-addr={address}");
        let said = run(&program, "127.0.0.1:1", folder.path(), &["catalog", "datacenters", &by_flag]);
        assert_eq!(said, ("dc1\n".to_owned(), String::new(), Some(0)));
    }
}
