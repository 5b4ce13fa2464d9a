//! The web page: a few files in the program, or a folder of somebody's own, below one path.
//!
//! Every address below that path which is not a file gives the page itself, which reads the rest of its address. The page
//! uses nothing but the public API; nothing here knows what it shows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Method, StatusCode};
use sha2::{Digest, Sha256};

use super::gzip;
use super::limits::UI_FILE_BYTES_MAX;

/// The files of the page in the program: name and content.
const FILES: &[(&str, &[u8])] = &[
    ("index.html", include_bytes!("../../ui/dist/index.html")),
    ("app.js", include_bytes!("../../ui/dist/app.js")),
    ("app.css", include_bytes!("../../ui/dist/app.css")),
    ("icon.svg", include_bytes!("../../ui/dist/icon.svg")),
];

const INDEX: &str = "index.html";

/// Nothing from elsewhere, no inline script, no frames, no forms that leave the page.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
     base-uri 'self'; form-action 'none'; frame-ancestors 'none'",
);

/// What the page is told about its agent; nothing secret.
#[derive(Clone, Debug, Default)]
pub struct UiSettings {
    /// Path below which the page lives; begins and ends with `/`.
    pub base: String,
    /// Datacenter of the agent.
    pub datacenter: String,
    /// Whether the agent asks for tokens.
    pub acls: bool,
    /// Templates of addresses of dashboards, by name.
    pub dashboards: BTreeMap<String, String>,
    /// A folder whose files are served instead of those in the program.
    pub dir: Option<PathBuf>,
}

/// The page, ready to be served.
#[derive(Debug)]
pub struct Ui {
    base: String,
    settings: String,
    dir: Option<PathBuf>,
}

impl Ui {
    /// The page with these settings.
    #[must_use]
    pub fn new(settings: UiSettings) -> Self {
        let told = serde_json::json!({
            "base": settings.base,
            "datacenter": settings.datacenter,
            "acls": settings.acls,
            "dashboards": settings.dashboards,
            "version": crate::version::CONCORD_VERSION,
        });
        Self { base: settings.base, settings: told.to_string(), dir: settings.dir }
    }

    /// Where the page begins.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Answers a request whose decoded path is below the page's, `None` when it is not. The API always goes before.
    pub async fn answer(&self, method: &Method, path: &[u8], headers: &HeaderMap) -> Option<Response> {
        let tail = path.strip_prefix(self.base.as_bytes()).filter(|_| !path.starts_with(b"/v1/"))?;
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET,HEAD"));
            return Some(response);
        }
        let (name, content) = self.find(std::str::from_utf8(tail).unwrap_or_default()).await;
        let content = match content {
            Ok(content) if name == INDEX => Bytes::from(self.fill(&String::from_utf8_lossy(&content))),
            Ok(content) => content,
            Err(error) => return Some(failed(&error)),
        };
        Some(file(&name, content, headers).await)
    }

    /// The file of a name, or the page itself. Names of files have no folders above them: `..` never leaves the folder,
    /// because paths arrive in their shortest form, and is refused here nevertheless.
    async fn find(&self, name: &str) -> (String, Result<Bytes, std::io::Error>) {
        let Some(dir) = &self.dir else {
            let found = FILES.iter().find(|(file, _)| *file == name).unwrap_or(&FILES[0]);
            return (found.0.to_owned(), Ok(Bytes::from_static(found.1)));
        };
        let is_inside = !name.is_empty() && name.split('/').all(|part| !part.is_empty() && part != ".." && part != ".");
        if is_inside
            && !name.contains(['\\', '\0'])
            && let Ok(content) = read(&dir.join(name)).await
        {
            return (name.to_owned(), Ok(content));
        }
        (INDEX.to_owned(), read(&dir.join(INDEX)).await)
    }

    fn fill(&self, page: &str) -> String {
        page.replace("{{settings}}", &attribute(&self.settings)).replace("{{base}}", &attribute(&self.base))
    }
}

async fn read(path: &Path) -> Result<Bytes, std::io::Error> {
    let meta = tokio::fs::metadata(path).await?;
    if !meta.is_file() || meta.len() > UI_FILE_BYTES_MAX {
        let text = format!("not a file of at most {UI_FILE_BYTES_MAX} bytes");
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, text));
    }
    tokio::fs::read(path).await.map(Bytes::from)
}

fn failed(error: &std::io::Error) -> Response {
    let text = format!("The folder of ui_dir has no readable index.html: {error}");
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

async fn file(name: &str, content: Bytes, asked: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", hex(&Sha256::digest(&content)[..12]));
    let mut response = Response::new(Body::empty());
    let same = asked.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let compressed = if !same && gzip::is_accepted(asked) { gzip::compress(&content).await } else { None };
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: HeaderValue| headers.insert(name, value);
    set(CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    set(CONTENT_SECURITY_POLICY, POLICY);
    set(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    set(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    set(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Kept by browsers, but asked about each time: a new version of the agent shows at once.
    set(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    set(VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        set(ETAG, tag);
    }
    if compressed.is_some() {
        set(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if same {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        *response.body_mut() = Body::from(compressed.unwrap_or(content));
    }
    response
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" | "map" => "application/json",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Text inside a quoted attribute of HTML.
fn attribute(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(dir: Option<PathBuf>) -> Ui {
        let dashboards = BTreeMap::from([("service".to_owned(), "https://g/\"><script>".to_owned())]);
        Ui::new(UiSettings { base: "/ui/".into(), datacenter: "dc1".into(), acls: true, dashboards, dir })
    }

    async fn ask(ui: &Ui, method: Method, path: &str) -> Option<(u16, HeaderMap, String)> {
        let response = ui.answer(&method, path.as_bytes(), &HeaderMap::new()).await?;
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body in memory");
        Some((head.status.as_u16(), head.headers, String::from_utf8_lossy(&body).into_owned()))
    }

    #[tokio::test]
    async fn every_address_gives_the_page_with_its_settings() {
        let ui = page(None);
        for path in ["/ui/", "/ui/dc1/services", "/ui/dc1/services/a b", "/ui/v1/kv/x"] {
            let (status, headers, body) = ask(&ui, Method::GET, path).await.expect("below the page");
            assert_eq!(status, 200, "{path}");
            assert_eq!(headers[CONTENT_TYPE], "text/html; charset=utf-8");
            assert!(headers[CONTENT_SECURITY_POLICY].to_str().expect("text").contains("script-src 'self'"));
            assert!(body.contains("<base href=\"/ui/\">"), "{body}");
            assert!(body.contains("&quot;acls&quot;:true") && !body.contains("><script>"), "{body}");
        }
    }

    #[tokio::test]
    async fn files_have_their_type_and_are_not_sent_twice() {
        let ui = page(None);
        for (name, kind) in [("app.js", "text/javascript"), ("app.css", "text/css"), ("icon.svg", "image/svg+xml")] {
            let (_, headers, _) = ask(&ui, Method::GET, &format!("/ui/{name}")).await.expect("below the page");
            assert!(headers[CONTENT_TYPE].to_str().expect("text").starts_with(kind), "{name}");
            let known = HeaderMap::from_iter([(IF_NONE_MATCH, headers[ETAG].clone())]);
            let again = ui.answer(&Method::GET, format!("/ui/{name}").as_bytes(), &known).await.expect("a file");
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        }
    }

    #[tokio::test]
    async fn the_api_goes_before_and_writes_are_refused() {
        let everywhere = Ui::new(UiSettings { base: "/".into(), ..UiSettings::default() });
        assert!(ask(&everywhere, Method::GET, "/v1/nothing").await.is_none());
        assert!(ask(&page(None), Method::GET, "/uix").await.is_none());
        assert_eq!(ask(&page(None), Method::POST, "/ui/").await.expect("below the page").0, 405);
    }

    #[tokio::test]
    async fn an_own_folder_is_served_and_never_left() {
        let dir = tempfile::tempdir().expect("a folder");
        let own = dir.path().join("own");
        std::fs::create_dir(&own).expect("a folder");
        std::fs::write(own.join("index.html"), "own {{base}}").expect("a file");
        std::fs::write(own.join("a.txt"), "text").expect("a file");
        std::fs::write(dir.path().join("secret"), "secret").expect("a file");
        let ui = page(Some(own.clone()));
        for (path, body) in
            [("a.txt", "text"), ("", "own /ui/"), ("../secret", "own /ui/"), ("//etc/passwd", "own /ui/")]
        {
            assert_eq!(ask(&ui, Method::GET, &format!("/ui/{path}")).await.expect("below the page").2, body, "{path}");
        }
        std::fs::remove_file(own.join("index.html")).expect("it is there");
        let (status, _, body) = ask(&ui, Method::GET, "/ui/").await.expect("below the page");
        assert!(status == 404 && body.contains("ui_dir"), "{status} {body}");
    }
}
