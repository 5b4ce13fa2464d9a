//! Names and types with their answers in text. `UPDATE_GOLDEN=1` writes the file anew, for review as a diff.

use std::fmt::Write as _;
use std::path::Path;

use crate::support::{request, respond, sample, show};
use dns::{Settings, Transport};
use hickory_proto::rr::RecordType;

const QUESTIONS: &[&str] = &[
    "web.service.consul A AAAA SRV TXT ANY MX",
    "WEB.Service.DC1.Consul A SRV",
    "v1.web.service.consul A",
    "v2.web.service.dc1.consul A",
    "a.b.web.service.consul A",
    "v9.web.service.consul A",
    "_web._tcp.service.consul A SRV",
    "_web._v2.service.consul SRV",
    "_web._tcp.consul A SRV",
    "_web._tcp.dc1.consul SRV",
    "_web.service.consul SRV",
    "crit.service.consul A SRV",
    "six.service.consul A AAAA SRV",
    "hosts.service.consul A AAAA SRV MX",
    "mixed.service.consul A AAAA SRV ANY CNAME",
    "tagged.service.consul A AAAA SRV ANY",
    "mysvc.service.consul A SRV",
    "badnode.service.consul A SRV",
    "web.service.dc2.consul A",
    "web.service.dc1.dc1.consul A",
    "service.consul A",
    "nope.service.consul A NS SOA",
    "a1.node.consul A AAAA ANY TXT MX SRV",
    "A2.node.dc1.consul A AAAA",
    "up.per.node.consul A",
    "h1.node.consul A AAAA TXT",
    "nope.node.consul A",
    "node.consul A",
    "consul SOA NS A ANY AXFR",
    "ns.consul A",
    "0a000001.addr.consul A AAAA SRV",
    "fd000000000000000000000000000006.addr.dc9.consul AAAA",
    "zz.addr.consul A",
    "x.0a000001.addr.consul A",
    "1.0.0.10.in-addr.arpa PTR A",
    "4.3.2.1.IN-ADDR.ARPA PTR",
    "6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa PTR",
    "9.9.9.9.in-addr.arpa PTR",
    "foo.in-addr.arpa PTR",
    "example.com A",
    "xconsul A",
    ". NS",
    "bogus.consul A",
];

#[test]
fn answers_are_as_recorded() {
    let catalog = sample();
    let mut out = String::new();
    for line in QUESTIONS {
        let (name, types) = line.split_once(' ').expect("a name and types");
        for record_type in types.split(' ') {
            let packet = request(name, record_type.parse::<RecordType>().expect("a type"), Some(4096));
            let answer = show(&respond(&catalog, &Settings::default(), &packet, Transport::Udp, 1));
            let _ = write!(out, "{name} {record_type}\n  {}\n", answer.trim_end().replace('\n', "\n  "));
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages/golden/answers.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &out).expect("the source tree is writable");
    }
    let recorded = std::fs::read_to_string(&path).expect("the recorded answers");
    for (got, expected) in out.lines().zip(recorded.lines()) {
        assert_eq!(got, expected, "with UPDATE_GOLDEN=1 the file is written anew");
    }
    assert_eq!(out.lines().count(), recorded.lines().count());
}
