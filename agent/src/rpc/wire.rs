//! The two halves of a connection, in plain text or with TLS.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// What is read from.
pub type Reader = Box<dyn AsyncRead + Send + Unpin>;
/// What is written to.
pub type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// A connection that is ready for the greeting.
pub struct Wire {
    /// What comes.
    pub reader: Reader,
    /// What goes.
    pub writer: Writer,
}

impl Wire {
    /// Plain text.
    #[must_use]
    pub fn plain(stream: TcpStream) -> Self {
        let (reader, writer) = stream.into_split();
        Self { reader: Box::new(reader), writer: Box::new(writer) }
    }

    /// TLS, of either side.
    #[must_use]
    pub fn tls(stream: impl Into<TlsStream<TcpStream>>) -> Self {
        let (reader, writer) = tokio::io::split(stream.into());
        Self { reader: Box::new(reader), writer: Box::new(writer) }
    }
}
