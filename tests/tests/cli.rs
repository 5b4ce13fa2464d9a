//! The command line. Commands that ask an agent are run by both programs against one real Consul and must say the same:
//! standard output, standard error and exit code. What an agent is not needed for is compared with written texts.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tests::{Agent, Program, eventually};

/// What a command did.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    out: String,
    err: String,
    code: Option<i32>,
}

fn run(program: &Program, address: &str, arguments: &[&str]) -> Said {
    let output = Command::new(program.path())
        .args(arguments)
        .env("CONSUL_HTTP_ADDR", address)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot run {arguments:?}: {error}"));
    Said {
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code(),
    }
}

fn ours(arguments: &[&str]) -> Said {
    run(&Program::ours(), "127.0.0.1:1", arguments)
}

/// Words of a line; `~` stands for a space inside a word.
fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(|word| word.replace('~', " ")).collect()
}

/// Each line is run by Consul, then by us, in this order against one agent; so each must leave the same behind when it
/// is run twice.
const LINES: &str = "
    kv put a/b x
    kv put a/c @FOLDER/value
    kv put -flags=3 b -
    kv put /slash y
    kv put -base64 binary AAEC/w==
    kv put empty
    kv get a/b
    kv get /a/b
    kv get empty
    kv get binary
    kv get -base64 binary
    kv get -detailed b
    kv get -detailed empty
    kv get -recurse
    kv get -recurse a
    kv get -recurse -detailed a
    kv get -recurse -base64 a
    kv get -recurse none
    kv get -keys
    kv get -keys a/
    kv get -keys -separator= a
    kv get -keys none
    kv get -stale -datacenter=dc1 a/b
    kv get -datacenter=dc9 a/b
    kv get none
    kv get
    kv get a b
    kv put
    kv put a b c
    kv put x @/nonexistent
    kv put -cas a/b y
    kv put -cas -modify-index=5 a/b y
    kv put -cas -modify-index=5 new y
    kv put -acquire a y
    kv put -acquire -session=nope a y
    kv delete
    kv delete none
    kv delete -cas a/b
    kv delete -cas -modify-index=4 a/b
    kv delete -recurse -cas a
    kv delete -recurse -cas -modify-index=4 a
    kv import [{\"key\":\"/a\",\"value\":\"eA==\"}]
    kv delete -modify-index=4 a/b
    kv export
    kv export a/
    kv export none
    kv import [{\"key\":\"i/a\",\"flags\":1,\"value\":\"eA==\"},{\"key\":\"i/b\",\"flags\":0,\"value\":\"\"}]
    kv import
    kv get -recurse i
    kv delete -recurse i
    kv get -recurse i
    catalog datacenters
    catalog nodes
    catalog nodes -detailed
    catalog nodes -service=consul
    catalog nodes -service=nope
    catalog nodes -node-meta=no=way
    catalog nodes -near=_agent
    catalog nodes -filter=Node==nope
    catalog nodes -filter=((
    catalog nodes extra
    catalog services
    catalog services -tags
    services register -name=web -port=80 -tag=v1 -meta=a=b -address=10.0.0.1
    services register -name=db -id=db1 -tagged-address=lan=10.0.0.2:99
    services register -name=bad~name~with~an~unknown~kind -kind=zz
    services register FOLDER/service.hcl
    services register FOLDER/nonexistent.hcl
    services register
    services deregister
    services deregister -id=a b
    catalog services
    catalog services -tags
    catalog services -node-meta=no=way
    catalog services -node=nope
    maint
    maint -enable -reason=because
    maint
    maint -enable -service=db1 -reason=why
    maint -disable
    maint
    maint -disable -service=db1
    maint -enable -service=nope
    maint -enable -disable
    maint -reason=x
    services deregister -id=web
    services deregister FOLDER/service.hcl
    members
    members -detailed
    members -wan
    members -status=left
    members -status=alive
    operator raft list-peers
    operator raft list-peers -stale
    operator raft remove-peer
    operator raft remove-peer -id=a -address=b
    operator raft remove-peer -id=nope
    operator raft remove-peer -address=127.0.0.1:1
    force-leave nope
    kv put watched/key v<&>
    watch -type=key -key=watched/key
    watch -type=key -key=none
    watch -type=key
    watch -type=keyprefix -prefix=watched
    watch -type=keyprefix -prefix=none
    watch -type=keyprefix
    watch -type=services
    watch -type=nodes
    watch -type=service -service=consul
    watch -type=service -service=none
    watch -type=service -service=consul -passingonly=true
    watch -type=service -service=consul -tag=a -tag=b
    watch -type=service
    watch -type=checks
    watch -type=checks -state=passing
    watch -type=checks -service=consul
    watch -type=checks -service=a -state=passing
    watch -type=event
    watch -type=event -name=nope
    watch -type=connect_roots
    watch -type=zz
    watch -type=nodes -key=a
    watch -type=key -key=watched/key cat; exit 3
    watch -type=key -key=watched/key -shell=false /bin/sh -c echo~$CONSUL_INDEX|wc~-l;exit~1
    event -name=x -tag=a
    event -name=x -node=[
    reload
    rtt nobody nowhere
    rtt n1 n1
    rtt -wan n1
    rtt -wan n1.dc1
    rtt -wan n9.dc1 n1.dc1
    rtt a b c
    event
    event -name=ok payload
    event -name=x a b
    info
    join
    join -wan
    leave surplus
    force-leave
    force-leave a b
    force-leave -prune nope
    members -segment=zz
    members -status=[
    catalog services extra
    catalog datacenters extra
    lock
    lock onlyprefix
    lock -n=0 p true
    lock -name=x p exit~3
    lock -child-exit-code p exit~3
    lock -child-exit-code -shell=false p /bin/false
    lock -try=1s p echo~$CONSUL_LOCK_HELD
    lock -n=2 s echo~semaphore
    exec
    exec -tag=x true
    exec -node=[ true
    exec -datacenter=dc9 true
    operator autopilot get-config
    operator autopilot set-config -cleanup-dead-servers=false
    operator autopilot get-config
    operator autopilot set-config -max-trailing-logs=300 -last-contact-threshold=300ms
    operator autopilot get-config -stale
    operator autopilot set-config -last-contact-threshold=zz
    keyring -list
    keyring -list -relay-factor=9
    keyring -install=a -remove=b
    monitor -log-level=zz
    services register -id=x
    kv get -separator=/ -keys a
";

/// Both programs against an agent of each.
#[test]
fn commands_say_what_consul_says() {
    let Some(oracle) = Program::oracle() else { return };
    let different = compare(&oracle, &oracle);
    assert!(different.is_empty(), "against Consul's agent these commands say something else:\n{different}");
}

#[test]
fn commands_say_the_same_to_our_agent() {
    let Some(oracle) = Program::oracle() else { return };
    let different = compare(&oracle, &Program::ours());
    assert!(different.is_empty(), "against our agent these commands say something else:\n{different}");
}

/// What differs between the programs against one agent.
fn compare(oracle: &Program, agent_program: &Program) -> String {
    let ours = Program::ours();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("value"), "from a file\n").unwrap();
    std::fs::write(folder.path().join("service.hcl"), "service { name = \"file\" port = 3 check { ttl = \"1h\" } }")
        .unwrap();
    let agent = Agent::server(agent_program, &["-node=n1"]);
    let address = agent.address().port(8500).to_string();
    eventually("the server in the catalog", Duration::from_secs(60), || {
        let services = agent.get_json("/v1/catalog/services");
        if services.get("consul").is_some() { Ok(()) } else { Err(services.to_string()) }
    });
    let mut different = String::new();
    for line in LINES.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words = words(&line.replace("FOLDER", &folder.path().display().to_string()));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let theirs = normalised(run(oracle, &address, &words), line);
        let said = normalised(run(&ours, &address, &words), line);
        if said != theirs {
            different.push_str(&format!("{line}\n  Consul: {theirs:?}\n  ours:   {said:?}\n"));
        }
    }
    different
}

/// What is rightly not the same when two programs, or one program twice, ask the same of an agent.
fn normalised(said: Said, line: &str) -> Said {
    // Consul's client drops the body here; the reason is worth more than the agreement.
    let err = said.err.replace(" code: 500\n", " code: 500 (No path to datacenter)\n");
    let keep = |text: String, is_moving: &dyn Fn(&str) -> bool| -> String {
        text.lines().filter(|line| !is_moving(line)).flat_map(|line| [line, "\n"]).collect()
    };
    let mut out = said.out;
    if line.starts_with("info") {
        // Figures that move by themselves.
        out = keep(out, &|line: &str| line.starts_with('\t'));
    }
    if line.starts_with("event -name") && said.code == Some(0) {
        // Each event has an id of its own.
        out = out.chars().take("Event ID: ".len()).collect();
    }
    // The help of a misuse is ours, and always on the standard error; the message above it is Consul's.
    let err = err.split("\nUsage:").next().unwrap_or_default().trim_end().to_owned();
    if out.starts_with("Usage: ") {
        out.clear();
    }
    Said { out, err, ..said }
}

/// Consul has no such commands to compare with.
#[test]
fn keys_are_copied_and_moved() {
    let agent = Agent::server(&Program::ours(), &["-node=n1"]);
    let address = agent.address().port(8500).to_string();
    let done = |out: &str| Said { out: format!("{out}\n"), err: String::new(), code: Some(0) };
    let refused = |err: &str| Said { out: String::new(), err: format!("{err}\n"), code: Some(1) };
    for (line, expected) in [
        ("kv put web/a x", done("Success! Data written to: web/a")),
        ("kv put web/b/c y", done("Success! Data written to: web/b/c")),
        ("kv copy web/ old/", done("Success! Copied keys with prefix: web/ to: old/")),
        ("kv move /web/b/ old/", done("Success! Moved keys with prefix: web/b/ to: old/")),
        ("kv get -recurse", done("old/a:x\nold/b/c:y\nold/c:y\nweb/a:x")),
        ("kv copy none/ x/", refused("Error! No keys with prefix: none/")),
        ("kv move none/ x/", refused("Error! No keys with prefix: none/")),
        ("kv copy a", refused("Error! Missing SRC and DST arguments")),
        ("kv move a b c", refused("Error! Too many arguments (expected 2, got 3)")),
        ("kv copy a /b", refused("Error! Did not copy keys: Invalid key. Key must not begin with a '/': /b")),
        (
            "kv move old/ old/x/",
            refused(
                "Error! Did not move keys: Unexpected response code: 500 \
                 (cannot move \"old/\" to \"old/x/\", which is a part of it)",
            ),
        ),
    ] {
        let words = words(line);
        let said = run(&Program::ours(), &address, &words.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(said, expected, "{line}");
    }
}

#[test]
fn unreachable_agents_are_told_as_by_consul() {
    for (line, message) in [
        (
            "members",
            "Error retrieving members: Get \"http://127.0.0.1:1/v1/agent/members?segment=_all\": dial tcp 127.0.0.1:1: connect: connection refused",
        ),
        (
            "info",
            "Error querying agent: Get \"http://127.0.0.1:1/v1/agent/self\": dial tcp 127.0.0.1:1: connect: connection refused",
        ),
        (
            "leave",
            "Error leaving: Put \"http://127.0.0.1:1/v1/agent/leave\": dial tcp 127.0.0.1:1: connect: connection refused",
        ),
        (
            "reload",
            "Error reloading: Put \"http://127.0.0.1:1/v1/agent/reload\": dial tcp 127.0.0.1:1: connect: connection refused",
        ),
        (
            "kv get x",
            "Error querying Consul agent: Get \"http://127.0.0.1:1/v1/kv/x\": dial tcp 127.0.0.1:1: connect: connection refused",
        ),
        (
            "join 127.0.0.2",
            "Error joining address '127.0.0.2': Put \"http://127.0.0.1:1/v1/agent/join/127.0.0.2\": dial tcp 127.0.0.1:1: connect: connection refused\nFailed to join any nodes.",
        ),
        ("-http-addr=127.0.0.1:1 members", ""),
    ] {
        let words = words(line);
        let said = ours(&words.iter().map(String::as_str).collect::<Vec<_>>());
        if message.is_empty() {
            assert_eq!(said.code, Some(127), "{line}: flags come after the command");
            continue;
        }
        assert_eq!(said, Said { out: String::new(), err: format!("{message}\n"), code: Some(1) }, "{line}");
    }
}

#[test]
fn help_goes_to_the_standard_output_and_misuse_does_not() {
    for (line, in_out, in_err, code) in [
        ("", "", "Usage: consul [--version] [--help] <command> [<args>]", 127),
        ("bogus", "", "Available commands are:", 127),
        ("--help", "    kv             Interact with the key-value store", "", 0),
        ("kv", "", "Copies the data under a prefix to another\n    delete", 1),
        ("kv bogus", "", "Subcommands:", 1),
        ("kv get -h", "Usage: consul kv get [options] [KEY_OR_PREFIX]", "", 0),
        ("kv get x --help", "-recurse\n     List all entries", "", 0),
        ("kv copy -h", "Usage: consul kv copy [options] SRC DST", "", 0),
        ("kv move -h", "Usage: consul kv move [options] SRC DST", "", 0),
        ("kv get -bogus", "", "flag provided but not defined: -bogus\nUsage:\n", 1),
        ("kv get -recurs", "", "(did you mean -recurse?)", 1),
        ("join", "", "At least one address to join must be specified.\n\nUsage: consul join [options] address ...", 1),
        ("force-leave", "", "A single node name must be specified to force leave.\n\nUsage: ", 1),
        ("version", "Consul v1.8.7\n", "", 0),
        ("-v", "Consul v1.8.7\n", "", 0),
        ("version -format=json", "   \"Version\": \"1.8.7\"", "", 0),
        ("version -format=x", "", "Unknown format: x", 1),
        ("keygen", "=\n", "", 0),
        ("validate", "", "Must specify at least one config file or directory", 1),
        ("validate /nonexistent", "", "Config validation failed: config: Open failed on /nonexistent", 1),
    ] {
        let words = words(line);
        let said = ours(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(said.code, Some(code), "{line}: {said:?}");
        assert!(said.out.contains(in_out) && said.out.is_empty() == in_out.is_empty(), "{line}: {said:?}");
        assert!(said.err.contains(in_err) && said.err.is_empty() == in_err.is_empty(), "{line}: {said:?}");
    }
}

#[test]
fn validate_reads_files_and_folders() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let validate = |path: &Path| ours(&["validate", path.to_str().unwrap()]);
    write("a.hcl", "data_dir = \"/nonexistent/data\"\nbind_addr = \"127.0.0.1\"\n");
    write("notes.txt", "not a configuration");
    let said = validate(folder.path());
    let skipped = format!(
        "skipping file {}, extension must be .hcl or .json, or config format must be set\n",
        folder.path().join("notes.txt").display()
    );
    assert_eq!(said, Said { out: "Configuration is valid!\n".to_owned(), err: skipped, code: Some(0) });

    write("b.json", "{\"servr\": true, \"ports\": {\"http\": \"x\"}}");
    let file = folder.path().join("b.json");
    let message = format!(
        "Config validation failed: failed to parse {}: 2 errors occurred:\n\
         \t* invalid config key servr; did you mean \"server\"? (line 1)\n\
         \t* 'ports.http' expected type 'int', got unconvertible type 'string' (line 1)\n",
        file.display()
    );
    assert_eq!(validate(folder.path()), Said { out: String::new(), err: message, code: Some(1) });
}
