//! Calls against a small server that answers what it is told and records what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::{Client, Condition, Error, PutOptions, QueryOptions};
use model::{Key, Token};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Requests seen, headers and body.
type Seen = Arc<Mutex<Vec<String>>>;

/// Answers each request with the next of `answers`; `None` closes the connection without a word.
async fn serve(answers: Vec<Option<String>>) -> (Client, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let record = seen.clone();
    tokio::spawn(async move {
        let mut answers = answers.into_iter();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            while let Some(request) = read_request(&mut stream).await {
                record.lock().unwrap().push(request);
                match answers.next() {
                    Some(Some(answer)) => stream.write_all(answer.as_bytes()).await.unwrap(),
                    Some(None) => break,
                    None => std::future::pending().await,
                }
            }
        }
    });
    (Client::new(&address.to_string()).unwrap(), seen)
}

/// An answer with its length.
fn reply(head: &str, body: &str) -> Option<String> {
    Some(format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let (mut text, mut buffer) = (String::new(), [0_u8; 4096]);
    loop {
        let size = stream.read(&mut buffer).await.ok().filter(|size| *size > 0)?;
        text.push_str(std::str::from_utf8(&buffer[..size]).unwrap());
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
    }
}

#[tokio::test]
async fn a_key_is_read() {
    let head = "200 OK\r\nX-Consul-Index: 7\r\nX-Consul-KnownLeader: true\r\nX-Consul-LastContact: 12";
    let row = r#"[{"LockIndex":0,"Key":"a","Flags":3,"Value":"eA==","CreateIndex":5,"ModifyIndex":7,"Session":"s"}]"#;
    let (client, seen) = serve(vec![reply(head, row)]).await;
    let client = client.with_token(&Token::new("secret")).unwrap();
    let found = client.kv_get(&Key::from("/a b"), &QueryOptions::default()).await.unwrap();
    assert_eq!((found.index, found.known_leader, found.last_contact), (7, true, Duration::from_millis(12)));
    let row = found.rows.unwrap();
    assert_eq!((row.flags, &row.value.0[..], row.session.as_str()), (3, &b"x"[..], "s"));
    let request = seen.lock().unwrap()[0].to_ascii_lowercase();
    assert!(request.starts_with("get /v1/kv/a%20b http/1.1\r\n"), "{request}");
    assert!(request.contains("x-consul-token: secret\r\n"), "{request}");
}

#[tokio::test]
async fn nothing_is_no_error_but_other_answers_are() {
    let (client, _seen) = serve(vec![
        reply("404 Not Found\r\nX-Consul-Index: 4", ""),
        reply("500 Internal Server Error", "No cluster leader"),
        reply("200 OK", "{"),
    ])
    .await;
    let options = QueryOptions::default();
    let found = client.kv_list(&Key::from("a"), &options).await.unwrap();
    assert_eq!((found.rows.len(), found.index), (0, 4));
    let error = client.leader().await.unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.status()),
        ("Unexpected response code: 500 (No cluster leader)", Some(500))
    );
    assert!(matches!(client.leader().await, Err(Error::Decode { .. })));
}

#[tokio::test]
async fn writes_say_what_they_are() {
    let (client, seen) = serve(vec![reply("200 OK", "false"), reply("200 OK", "true")]).await;
    let options = PutOptions { condition: Condition::Index(0), flags: 9, ..PutOptions::default() };
    assert!(!client.kv_put(&Key::from("k"), "value", &options).await.unwrap());
    assert!(client.kv_delete_tree(&Key::from("k/"), "dc2").await.unwrap());
    let seen = seen.lock().unwrap();
    assert!(seen[0].starts_with("PUT /v1/kv/k?flags=9&cas=0 ") && seen[0].ends_with("\r\n\r\nvalue"), "{}", seen[0]);
    assert!(seen[1].starts_with("DELETE /v1/kv/k/?recurse&dc=dc2 "), "{}", seen[1]);
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced() {
    let close = reply("200 OK\r\nConnection: close", "\"\"");
    let (client, seen) = serve(vec![close, None]).await;
    assert_eq!(client.leader().await.unwrap(), "");
    // The second request goes over a new connection, where the server closes without an answer.
    assert!(matches!(client.leader().await, Err(Error::Broken { .. })));
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn failures_to_connect_and_to_answer_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = Client::new(&format!("http://{address}")).unwrap();
    let wanted = format!("Put \"http://{address}/v1/agent/leave\": dial tcp {address}: connect: connection refused");
    assert_eq!(client.leave().await.unwrap_err().to_string(), wanted);

    let (client, _seen) = serve(vec![]).await;
    let client = client.with_timeout(Duration::from_millis(50));
    assert!(matches!(client.leader().await, Err(Error::TimedOut { .. })));
}

#[test]
fn addresses_are_checked() {
    for address in ["127.0.0.1:8500", "http://[::1]:8500", "http://consul:8500/", "https://x:1", "unix:///tmp/x"] {
        assert!(Client::new(address).is_ok(), "{address}");
    }
    for address in ["", "unix://tmp/x", "ftp://x", "a b", "http://"] {
        assert!(Client::new(address).is_err(), "{address}");
    }
    assert!(Client::new("x:1").unwrap().with_token(&Token::new("a\nb")).is_err());
}
