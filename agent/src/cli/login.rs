//! `consul login`.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use client::{Client, os_error_text};
use model::Json;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::connect::{query_options, with_agent};
use super::flags::{Flag, Parsed, Takes};
use super::frame::{Command, Failure, Outcome, Report, Run, Shared};

/// Largest head of the request that a browser comes back with, bytes.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// How long a person has to log in.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long the browser has for its request.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// The row.
pub const COMMAND: Command = Command {
    name: "login",
    synopsis: "Login to Consul using an auth method",
    usage: "[options]",
    about: "Makes a token for who can prove to be somebody, and writes its secret to a file.\n\
            With -type=oidc it shows where to log in and waits for the browser to come back.",
    flags: &[
        Flag::new("method", Takes::Text("string"), "Name of the auth method."),
        Flag::new("type", Takes::Text("string"), "oidc for a login in a browser."),
        Flag::new("bearer-token-file", Takes::Text("string"), "File with the token that proves who it is."),
        Flag::new("token-sink-file", Takes::Text("string"), "File for the secret of the new token."),
        Flag::new("meta", Takes::Text("value"), "key=value for the description of the token. May be repeated."),
        Flag::new(
            "oidc-callback-listen-addr",
            Takes::Text("string"),
            "Address that the browser comes back to, localhost:8550 by default.",
        ),
    ],
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

fn required<'a>(parsed: &'a Parsed, name: &str) -> Result<&'a str, Failure> {
    parsed.text(name).ok_or_else(|| Failure::misuse(format!("Missing required '-{name}' flag")))
}

fn run(parsed: &Parsed) -> Outcome {
    if !parsed.args.is_empty() {
        return Err(Failure::new("Should have no non-flag arguments."));
    }
    let method = required(parsed, "method")?;
    let sink = Path::new(required(parsed, "token-sink-file")?);
    let meta = meta(parsed)?;
    let is_oidc = parsed.text("type") == Some("oidc");
    let bearer = if is_oidc { String::new() } else { bearer(required(parsed, "bearer-token-file")?)? };
    with_agent(parsed, async |client| {
        let token = if is_oidc {
            by_browser(&client, parsed, method, &meta).await?
        } else {
            let body = json!({"AuthMethod": method, "BearerToken": bearer, "Meta": meta});
            let made = client.acl_post(&["login"], &body, &query_options(parsed).datacenter).await;
            made.map_err(|error| Failure::new(format!("Error logging in: {error}")))?
        };
        write(sink, token["SecretID"].as_str().unwrap_or_default())
            .map_err(|error| Failure::new(format!("Error writing token to file sink: {}", os_error_text(&error))))?;
        Ok(Report::silent())
    })
}

fn meta(parsed: &Parsed) -> Result<Json, Failure> {
    let mut meta = serde_json::Map::new();
    for text in parsed.values("meta") {
        let Some((key, value)) = text.split_once('=') else {
            let why = format!("invalid value {text:?} for flag -meta: Missing \"=\" value in argument: {text}");
            return Err(Failure::misuse(why));
        };
        meta.insert(key.to_owned(), Json::String(value.to_owned()));
    }
    Ok(Json::Object(meta))
}

fn bearer(path: &str) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("open {path}: {}", os_error_text(&error))))?;
    match text.trim() {
        "" => Err(Failure::new(format!("No bearer token found in {path}"))),
        token => Ok(token.to_owned()),
    }
}

/// Writes a secret beside its place and moves it there; only the owner may read it.
fn write(path: &Path, secret: &str) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", uuid::Uuid::new_v4()));
    let beside = path.with_file_name(name);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = file.write_all(secret.as_bytes()).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        // What matters is why it could not be written.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

async fn by_browser(client: &Client, parsed: &Parsed, method: &str, meta: &Json) -> Result<Json, Failure> {
    let address = parsed.text("oidc-callback-listen-addr").unwrap_or("localhost:8550");
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|error| Failure::new(format!("listen {address}: {}", os_error_text(&error))))?;
    let nonce = uuid::Uuid::new_v4().to_string();
    let datacenter = query_options(parsed).datacenter;
    let failed = |error: client::Error| Failure::new(format!("Error logging in: {error}"));
    let redirect = format!("http://{address}/oidc/callback");
    let body = json!({"AuthMethod": method, "RedirectURI": redirect, "ClientNonce": nonce, "Meta": meta});
    let url = client.acl_post(&["oidc", "auth-url"], &body, &datacenter).await.map_err(failed)?;
    let shown = format!("Complete the login in your browser:\n\n    {}\n", url["AuthURL"].as_str().unwrap_or_default());
    let mut out = std::io::stdout().lock();
    out.write_all(shown.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::new(error.to_string()))?;
    drop(out);
    let back = timeout(PATIENCE, come_back(&listener)).await;
    let query = back.map_err(|_| Failure::new("Nobody has logged in for 10 minutes"))?;
    if let Some(error) = field(&query, "error") {
        let more = field(&query, "error_description").unwrap_or_default();
        return Err(Failure::new(format!("Error logging in: {error} {more}")));
    }
    let text = |name| field(&query, name).unwrap_or_default();
    let body = json!({"AuthMethod": method, "State": text("state"), "Code": text("code"), "ClientNonce": nonce});
    client.acl_post(&["oidc", "callback"], &body, &datacenter).await.map_err(failed)
}

/// The query that the browser comes back with. Other requests are told that there is nothing.
async fn come_back(listener: &TcpListener) -> String {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        let mut head = Vec::new();
        let read = timeout(REQUEST_TIME, async {
            while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
                match stream.read_buf(&mut head).await {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
            }
        });
        let target = read.await.ok().and_then(|()| String::from_utf8_lossy(&head).split(' ').nth(1).map(str::to_owned));
        let query = target.as_deref().and_then(|target| target.strip_prefix("/oidc/callback?")).map(str::to_owned);
        let (status, text) = match &query {
            Some(_) => ("200 OK", "You may close this window: the command goes on."),
            None => ("404 Not Found", "There is nothing here."),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
            text.len()
        );
        // Whether the browser shows it or not, the login goes on.
        let _ = stream.write_all(answer.as_bytes()).await;
        if let Some(query) = query {
            return query;
        }
    }
}

/// A field of a query, decoded.
fn field(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let raw = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()?;
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}
