//! DNS answers of a running agent beside those of the real Consul 1.8.7, for the same catalog and the same questions.
//!
//! Both must answer as recorded in `dns/answers.txt`, except where a question says why not: then ours are in
//! `dns/different.txt` and the real ones in `dns/different-consul.txt`. `UPDATE=1` writes the files anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tests::dns::{Question, Upstream, provoke};
use tests::{Agent, Program, eventually};

/// What is registered before anything is asked.
const CATALOG: &[&str] = &[
    r#"{"Node":"a1","Address":"10.0.0.1","NodeMeta":{"os":"linux","rfc1035-x":"plain"},
        "TaggedAddresses":{"lan":"10.0.0.1","lan_ipv6":"fd00::1","wan":"9.9.9.9"}}"#,
    r#"{"Node":"a1","Address":"10.0.0.1","SkipNodeUpdate":true,
        "Service":{"ID":"w1","Service":"web","Tags":["v1","a.b"],"Port":80}}"#,
    r#"{"Node":"a2","Address":"10.0.0.2","Service":{"ID":"w2","Service":"web","Tags":["V2"],"Port":81},
        "Check":{"CheckID":"k2","Name":"k","Status":"warning","ServiceID":"w2"}}"#,
    r#"{"Node":"a2","Address":"10.0.0.2","Service":{"ID":"w3","Service":"web","Port":82},
        "Check":{"CheckID":"k3","Name":"k","Status":"critical","ServiceID":"w3"}}"#,
    r#"{"Node":"a2","Address":"10.0.0.2","Service":{"ID":"c1","Service":"crit","Port":1},
        "Check":{"CheckID":"kc","Name":"k","Status":"critical","ServiceID":"c1"}}"#,
    r#"{"Node":"sick","Address":"10.0.0.3","Service":{"ID":"s1","Service":"sick","Port":1},
        "Check":{"CheckID":"kn","Name":"k","Status":"critical"}}"#,
    r#"{"Node":"six","Address":"fd00::6","Service":{"ID":"s","Service":"six","Port":6}}"#,
    r#"{"Node":"h1","Address":"host.example.com","NodeMeta":{"k":"v"},"Service":{"ID":"h","Service":"hosts","Port":7}}"#,
    r#"{"Node":"a1","Address":"10.0.0.1","SkipNodeUpdate":true,"Service":{"ID":"m1","Service":"mixed","Port":1,
        "Address":"1.2.3.4","Weights":{"Passing":5,"Warning":2}},
        "Check":{"CheckID":"km","Name":"k","Status":"warning","ServiceID":"m1"}}"#,
    r#"{"Node":"a2","Address":"10.0.0.2","Service":{"ID":"m2","Service":"mixed","Port":2,"Address":"svc.example.org"}}"#,
    r#"{"Node":"a2","Address":"10.0.0.2","Service":{"ID":"m3","Service":"mixed","Port":3,"Address":"fd00::3"}}"#,
    r#"{"Node":"a2","Address":"10.0.0.2","Service":{"ID":"t1","Service":"tagged","Port":9,"Address":"10.3.1.1",
        "TaggedAddresses":{"lan_ipv4":{"Address":"10.3.1.4","Port":14},"lan_ipv6":{"Address":"fd03::6","Port":16},
        "wan":{"Address":"10.3.1.9","Port":19}}}}"#,
    r#"{"Node":"t3","Address":"10.3.0.3","Service":{"ID":"ts3","Service":"tags3","Port":9,
        "TaggedAddresses":{"lan_ipv6":{"Address":"fd03::36","Port":36}}}}"#,
    r#"{"Node":"t4","Address":"10.3.0.4","TaggedAddresses":{"lan_ipv4":"10.3.0.44"},
        "Service":{"ID":"ts4","Service":"tags4","Port":9}}"#,
    r#"{"Node":"Up.Per","Address":"10.3.0.5","Service":{"ID":"u","Service":"MySvc","Port":0}}"#,
    r#"{"Node":"dup1","Address":"10.4.0.1","Service":{"ID":"d1","Service":"dup","Port":1,"Address":"10.4.9.9"}}"#,
    r#"{"Node":"dup2","Address":"10.4.0.2","Service":{"ID":"d2","Service":"dup","Port":1,"Address":"10.4.9.9"}}"#,
    r#"{"Node":"al","Address":"10.6.0.1","Service":{"ID":"i1","Service":"alias1","Port":1,"Address":"web.service.consul"}}"#,
    r#"{"Node":"al","Address":"10.6.0.1","Service":{"ID":"i2","Service":"alias2","Port":1,"Address":"alias1.service.consul"}}"#,
    r#"{"Node":"al","Address":"10.6.0.1","Service":{"ID":"i6","Service":"alias6","Port":1,"Address":"six.service.consul"}}"#,
    r#"{"Node":"al","Address":"10.6.0.1","Service":{"ID":"lo","Service":"loop","Port":1,"Address":"loop.service.consul"}}"#,
    r#"{"Node":"al","Address":"10.6.0.1","Service":{"ID":"ng","Service":"lost","Port":1,"Address":"nope.service.consul"}}"#,
    r#"{"Node":"aln","Address":"six.service.consul"}"#,
    r#"{"Node":"h2","Address":"gone.example.com","Service":{"ID":"h","Service":"gone","Port":7}}"#,
    r#"{"Node":"b1","Address":"10.1.0.1","Service":{"ID":"m","Service":"many","Port":1}}"#,
    r#"{"Node":"b2","Address":"10.1.0.2","Service":{"ID":"m","Service":"many","Port":2}}"#,
    r#"{"Node":"b3","Address":"10.1.0.3","Service":{"ID":"m","Service":"many","Port":3}}"#,
    r#"{"Node":"b4","Address":"10.1.0.4","Service":{"ID":"m","Service":"many","Port":4}}"#,
    r#"{"Node":"b5","Address":"10.1.0.5","Service":{"ID":"m","Service":"many","Port":5}}"#,
    r#"{"Node":"b6","Address":"10.1.0.6","Service":{"ID":"m","Service":"many","Port":6}}"#,
    r#"{"Node":"b7","Address":"10.1.0.7","Service":{"ID":"m","Service":"many","Port":7}}"#,
    r#"{"Node":"b8","Address":"10.1.0.8","Service":{"ID":"m","Service":"many","Port":8}}"#,
];

/// Prepared queries that are made before anything is asked.
const QUERIES: &[&str] = &[
    r#"{"Name":"q-web","Service":{"Service":"web","Tags":["!v9"]},"DNS":{"TTL":"7s"}}"#,
    r#"{"Name":"q-plain.dotted","Service":{"Service":"web","OnlyPassing":true}}"#,
    r#"{"Name":"q-none","Service":{"Service":"nothing"}}"#,
    r#"{"Name":"q-crit","Service":{"Service":"crit"}}"#,
    r#"{"Name":"q-hosts","Service":{"Service":"hosts"}}"#,
    r#"{"Name":"of-","Template":{"Type":"name_prefix_match","Regexp":"^of-(.*)$"},"Service":{"Service":"${match(1)}"}}"#,
];

/// Questions on which both agree.
const SAME: &[&str] = &[
    "q-web.query.consul A",
    "q-web.query.consul AAAA",
    "q-web.query.consul SRV",
    "q-web.query.consul SRV edns=1232",
    "q-web.query.consul ANY",
    "Q-Web.Query.DC1.Consul A",
    "q-web.query.dc2.consul A",
    "q-plain.dotted.query.consul A",
    "q-none.query.consul A",
    "q-none.query.consul SRV",
    "q-crit.query.consul A",
    "q-hosts.query.consul A",
    "q-hosts.query.consul SRV",
    "of-web.query.consul SRV",
    "of-many.query.consul A count",
    "of-many.query.consul A tcp",
    "of-.query.consul A",
    "unknown.query.consul A",
    "query.consul A",
    "web.service.consul A",
    "web.service.consul AAAA",
    "web.service.consul SRV",
    "web.service.consul SRV edns=1232",
    "web.service.consul TXT",
    "web.service.consul ANY",
    "web.service.consul MX",
    "WEB.Service.DC1.Consul A",
    "WEB.Service.DC1.Consul SRV",
    "v1.web.service.consul A",
    "v2.web.service.dc1.consul A",
    "a.b.web.service.consul A",
    "v9.web.service.consul A",
    "_web._tcp.service.consul A",
    "_web._tcp.service.consul SRV",
    "_web._TCP.service.consul A",
    "_web._udp.service.consul A",
    "_web._v2.service.consul SRV",
    "_web._tcp.consul A",
    "_web._tcp.consul SRV",
    "_web._tcp.dc1.consul SRV",
    "_web.service.consul SRV",
    "a._web._tcp.service.consul A",
    "crit.service.consul A",
    "crit.service.consul SRV",
    "sick.service.consul A",
    "sick.node.consul A",
    "six.service.consul A",
    "six.service.consul AAAA",
    "six.service.consul SRV",
    "hosts.service.consul A",
    "hosts.service.consul SRV",
    "hosts.service.consul MX",
    "mixed.service.consul A",
    "mixed.service.consul AAAA",
    "mixed.service.consul SRV tcp",
    "mixed.service.consul ANY",
    "mixed.service.consul CNAME",
    "tagged.service.consul A",
    "tagged.service.consul AAAA",
    "tagged.service.consul SRV",
    "tagged.service.consul ANY",
    "tags3.service.consul A",
    "tags3.service.consul AAAA",
    "tags3.service.consul SRV",
    "tags4.service.consul A",
    "tags4.service.consul SRV",
    "mysvc.service.consul A",
    "MYSVC.service.consul SRV",
    "dup.service.consul A",
    "dup.service.consul SRV",
    "many.service.consul A count",
    "many.service.consul SRV count",
    "many.service.consul A edns=512 count",
    "many.service.consul A edns=1232",
    "many.service.consul A tcp",
    "many.service.consul SRV tcp",
    "alias1.service.consul ANY",
    "alias1.service.consul SRV",
    "alias2.service.consul ANY edns=1232",
    "alias6.service.consul AAAA",
    "aln.node.consul AAAA",
    "loop.service.consul A",
    "lost.service.consul A",
    "web.service.dc2.consul A",
    "web.service.dc2.consul SRV",
    "web.service.dc1.dc1.consul A",
    "service.consul A",
    "nope.service.consul A",
    "nope.service.consul NS",
    "nope.service.consul SOA",
    "nope.service.consul A edns=1232",
    "foo.query.consul A",
    "foo.connect.consul A",
    "foo.ingress.consul A",
    "a1.node.consul A",
    "a1.node.consul AAAA",
    "a1.node.consul ANY",
    "a1.node.consul TXT",
    "A2.node.dc1.consul A",
    "a1.node.dc2.consul A",
    "up.per.node.consul A",
    "h1.node.consul A",
    "h1.node.consul AAAA",
    "h1.node.consul TXT",
    "nope.node.consul A",
    "node.consul A",
    "consul SOA",
    "consul NS",
    "consul A",
    "consul ANY",
    "consul TXT",
    "consul AXFR",
    "consul AXFR edns=1232",
    "ns.consul A",
    "0a000001.addr.consul A",
    "0a000001.addr.consul AAAA",
    "0a000001.addr.dc1.consul SRV",
    "fd000000000000000000000000000006.addr.dc9.consul AAAA",
    "x.0a000001.addr.consul A",
    "addr.consul A",
    "1.0.0.10.in-addr.arpa PTR",
    "1.0.0.10.IN-ADDR.ARPA A",
    "9.9.4.10.in-addr.arpa PTR edns=900",
    "6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa PTR",
    "3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa PTR",
    "9.9.9.9.in-addr.arpa PTR",
    "foo.in-addr.arpa PTR",
    "example.com A",
    "example.com A edns=1232",
    "xconsul A",
    ". NS",
    "bogus.consul A",
];

/// Questions on which we differ, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("a2.node.consul AAAA", "absence comes with the SOA record, so that resolvers may remember it (RFC 2308)"),
    ("a1.node.consul MX", "as above"),
    ("a1.node.consul SRV", "as above"),
    ("zz.addr.consul A", "as above"),
    ("alias1.service.consul A", "an alias is followed for the family that was asked for"),
    ("aln.node.consul A", "as above"),
    ("0A000001.addr.consul A", "the name is repeated as the client spelled it"),
];

/// Questions to an agent with other settings.
const TUNED: &[&str] = &[
    "web.service.consul A",
    "web.service.consul SRV",
    "many.service.consul A count",
    "many.service.consul SRV count",
    "many.service.consul A tcp count",
    "many.service.consul SRV tcp count",
    "six.service.consul AAAA",
    "six.service.consul A",
    "mixed.service.consul SRV tcp",
    "a1.node.consul A",
    "a1.node.consul TXT",
    "nope.service.consul A",
    "0a000001.addr.consul A",
    "1.0.0.10.in-addr.arpa PTR",
    "web.service.test.zone A",
    "six.service.test.zone SRV",
    "test.zone SOA",
    "nope.test.zone A",
    "test.zone NS",
];

const TUNED_HCL: &str = r#"alt_domain = "test.zone"
dns_config {
  node_ttl = "9s"
  service_ttl { "*" = "1s", "ma*" = "2s", "man*" = "3s", "mixed" = "4s" }
  only_passing = true
  enable_truncate = true
  udp_answer_limit = 2
  a_record_limit = 5
  disable_compression = true
  enable_additional_node_meta_txt = false
  soa { refresh = 11, retry = 12, expire = 13, min_ttl = 14 }
}"#;

/// Questions to an agent with a recursor on which both agree.
const RECURSED: &[&str] = &[
    "h1.node.consul A",
    "h1.node.consul TXT",
    "gone.service.consul A",
    "host.example.com A",
    "Host.Example.com AAAA edns=1232",
    "host.example.com A tcp",
    "gone.example.com A",
    "9.9.9.9.in-addr.arpa PTR",
    "1.0.0.10.in-addr.arpa PTR",
    "nope.service.consul A",
];

/// Questions to an agent with a recursor on which we differ, and why.
const RECURSED_DIFFERENT: &[(&str, &str)] = &[
    ("h1.node.consul AAAA", "an alias is followed for the family that was asked for"),
    ("hosts.service.consul A", "what the recursor says keeps its TTL"),
    ("hosts.service.consul SRV", "as above"),
];

/// Packets that are no good questions, in words, with bytes.
fn bad_packets() -> Vec<(&'static str, Vec<u8>)> {
    let good = Question::parse("web.service.consul A").packet(9);
    let with = |at: usize, byte: u8| {
        let mut packet = good.clone();
        packet[at] = byte;
        packet
    };
    let tail = |bytes: &[u8]| [&good[..12], bytes].concat();
    vec![
        ("shorter than a header", good[..5].to_vec()),
        ("an answer", with(2, 0x81)),
        ("operation 2", with(2, 0x11)),
        ("no question", with(5, 0)),
        ("two questions", with(5, 2)),
        ("two answers", with(7, 2)),
        ("three additional records", with(11, 3)),
        ("a name that points at itself", tail(&[0xc0, 12, 0, 1, 0, 1])),
        ("a label of a reserved kind", tail(&[0x80, 1, 0, 0, 1, 0, 1])),
    ]
}

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dns").join(file)
}

fn start(program: &Program, arguments: &[&str]) -> Agent {
    let agent = Agent::server(program, &[&["-node=n1"], arguments].concat());
    for registration in CATALOG {
        agent.put("/v1/catalog/register", registration);
    }
    for query in QUERIES {
        let made = tests::http::request(agent.address().port(8500), "POST", "/v1/query", &[], query.as_bytes());
        assert_eq!(made.map(|answer| answer.status).unwrap_or_default(), 200, "{query}");
    }
    // The server registers itself when it begins to lead.
    eventually("the servers in the catalog", Duration::from_secs(30), || {
        let answer = Question::parse("consul NS tcp").ask(agent.address().port(8600))?;
        if answer.contains("n1.node") { Ok(()) } else { Err(answer) }
    });
    agent
}

fn transcript(agent: &Agent, title: &str, questions: &[&str]) -> String {
    let server = agent.address().port(8600);
    let mut out = String::new();
    for question in questions {
        let answer = Question::parse(question).ask(server).unwrap_or_else(|error| panic!("{question}: {error}"));
        let _ = writeln!(out, "{title}{question}\n  {}", answer.trim_end().replace('\n', "\n  "));
    }
    out
}

fn reasoned_transcript(agent: &Agent, title: &str, questions: &[(&str, &str)]) -> String {
    questions.iter().map(|(question, why)| transcript(agent, title, &[question]) + &format!("  # {why}\n")).collect()
}

fn bad_transcript(agent: &Agent) -> String {
    let mut out = String::new();
    for (title, packet) in bad_packets() {
        let answer = provoke(agent.address().port(8600), &packet).unwrap_or_else(|error| panic!("{title}: {error}"));
        let shown = answer.map_or("silence".to_owned(), |answer| format!("{:02x?}", &answer[..answer.len().min(12)]));
        let _ = writeln!(out, "packet: {title}\n  {shown}");
    }
    out
}

/// The answers that must be the same, and those that may differ, of one program.
fn answers(program: &Program) -> (String, String) {
    let agent = start(program, &[]);
    let mut same = transcript(&agent, "", SAME) + &bad_transcript(&agent);
    let mut different = reasoned_transcript(&agent, "", DIFFERENT);
    let tuned = start(program, &["-hcl", TUNED_HCL]);
    same.push_str(&transcript(&tuned, "tuned: ", TUNED));
    let upstream = Upstream::start(respond_upstream);
    let recursing = start(program, &[&format!("-recursor={}", upstream.address())]);
    same.push_str(&transcript(&recursing, "with a recursor: ", RECURSED));
    different.push_str(&reasoned_transcript(&recursing, "with a recursor: ", RECURSED_DIFFERENT));
    (same, different)
}

/// What the recursor knows: one host behind an alias.
fn respond_upstream(name: &str, record_type: &str) -> Option<Vec<String>> {
    let address = match record_type {
        "A" => "A 192.0.2.9",
        "AAAA" => "AAAA fd99::9",
        _ => return None,
    };
    let records = [format!("{name} 60 CNAME real.example.com."), format!("real.example.com. 50 {address}")];
    name.eq_ignore_ascii_case("host.example.com.").then(|| records.to_vec())
}

fn check(file: &str, got: &str) {
    let path = path(file);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, got).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let recorded = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    compare(&recorded, got);
}

/// Fails with all answers that differ.
fn compare(recorded: &str, got: &str) {
    let split = |text: &str| text.replace("\n  ", "\u{1f}").lines().map(str::to_owned).collect::<Vec<_>>();
    let (recorded, got) = (split(recorded), split(got));
    let pairs = recorded.iter().zip(&got).filter(|(recorded, got)| recorded != got);
    let differences: Vec<String> =
        pairs.map(|(recorded, got)| format!("recorded {recorded}\n\ngot {got}\n").replace('\u{1f}', "\n  ")).collect();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    assert_eq!(recorded.len(), got.len(), "another number of answers than recorded");
}

#[test]
fn ours_answers_as_recorded() {
    let ours = Program::ours();
    let (same, different) = answers(&ours);
    check("answers.txt", &same);
    check("different.txt", &different);
}

#[test]
fn the_real_consul_answers_the_same() {
    let Some(oracle) = Program::oracle() else { return };
    let (same, different) = answers(&oracle);
    check("answers.txt", &same);
    check("different-consul.txt", &different);
}

/// `consul reload` changes the settings of DNS answers.
#[test]
fn settings_are_read_again_at_a_reload() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("dns.hcl");
    let write = |ttl: &str| std::fs::write(&file, format!("dns_config {{ node_ttl = \"{ttl}\" }}")).expect("writable");
    write("3s");
    let agent = Agent::server(&Program::ours(), &["-node=n1", &format!("-config-file={}", file.display())]);
    agent.put("/v1/catalog/register", CATALOG[0]);
    let expect = |ttl: &str| {
        eventually("the TTL of the configuration", Duration::from_secs(30), || {
            let answer = Question::parse("a1.node.consul A").ask(agent.address().port(8600))?;
            if answer.contains(&format!("a1.node.consul. {ttl} A")) { Ok(()) } else { Err(answer) }
        });
    };
    expect("3");
    write("9s");
    agent.put("/v1/agent/reload", "");
    expect("9");
}
