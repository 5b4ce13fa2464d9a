//! Archives on their way, piece by piece: out of this server, or into it. Opened by a request, then named by a number.
//!
//! A transfer that nobody moves on ends by itself, and what was coming in is then thrown away.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes};
use model::Token;
use serde::{Deserialize, Serialize};
use server::request::{ErrorKind, RequestError};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// Transfers of one server at once; each holds some pieces in memory, one that comes in also the state read from it.
const TRANSFERS_MAX: usize = 8;

/// Bytes of a piece, about.
pub const PIECE_BYTES: usize = 256 * 1024;

/// Pieces that wait between the two ends.
const PIECES_WAITING: usize = 4;

/// A transfer ends after this time without a call.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Part of what is transferred.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Piece {
    /// The next bytes.
    Bytes(Bytes),
    /// There is no more, and it is whole.
    End,
}

/// A transfer, and who moves it on: each piece is checked as the first request was, so that a token that is taken away
/// in the middle moves nothing more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pull {
    /// Number of the transfer.
    pub transfer: u64,
    /// Secret of the caller.
    pub token: Token,
}

/// The argument of a call that sends a piece.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Push {
    /// Number of the transfer.
    pub transfer: u64,
    /// Secret of the caller, as in [`Pull`].
    pub token: Token,
    /// The piece.
    pub piece: Piece,
}

type Finish = JoinHandle<Result<(), RequestError>>;

#[derive(Clone)]
enum Way {
    Out(Arc<tokio::sync::Mutex<mpsc::Receiver<Piece>>>),
    In(mpsc::Sender<Piece>, Arc<tokio::sync::Mutex<Option<Finish>>>),
}

struct Open {
    way: Way,
    used: Instant,
}

/// The transfers of one server. Cloning shares them.
#[derive(Clone)]
pub struct Transfers {
    open: Arc<Mutex<HashMap<u64, Open>>>,
    idle_max: Duration,
}

impl Default for Transfers {
    fn default() -> Self {
        Self { open: Arc::default(), idle_max: IDLE_MAX }
    }
}

impl Transfers {
    fn with<R>(&self, act: impl FnOnce(&mut HashMap<u64, Open>) -> R) -> R {
        act(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn open(&self, way: Way) -> Result<u64, RequestError> {
        let number = rand::random();
        let is_open = self.with(|open| {
            let has_room = open.len() < TRANSFERS_MAX;
            if has_room {
                open.insert(number, Open { way, used: Instant::now() });
            }
            has_room
        });
        if !is_open {
            return Err(failed("too many snapshots are being saved or restored by this server; try again later"));
        }
        tokio::spawn(self.clone().watch(number));
        Ok(number)
    }

    /// Ends a transfer that has been idle for too long.
    async fn watch(self, number: u64) {
        while let Some(used) = self.with(|open| open.get(&number).map(|it| it.used)) {
            if used.elapsed() >= self.idle_max {
                self.with(|open| open.remove(&number));
                return;
            }
            sleep_until(used + self.idle_max).await;
        }
    }

    /// Begins a transfer out; `make` runs on a thread of its own and writes what is transferred.
    ///
    /// # Errors
    /// When there are too many.
    pub fn send(&self, make: impl FnOnce(PieceWriter) -> io::Result<()> + Send + 'static) -> Result<u64, RequestError> {
        let (sender, pieces) = mpsc::channel(PIECES_WAITING);
        let number = self.open(Way::Out(Arc::new(tokio::sync::Mutex::new(pieces))))?;
        tokio::task::spawn_blocking(move || {
            // Without the end the other side knows that it has not got everything.
            if make(PieceWriter { pieces: sender.clone(), buffer: Vec::new() }).is_ok() {
                let _ = sender.blocking_send(Piece::End);
            }
        });
        Ok(number)
    }

    /// Begins a transfer in; `take` gets what comes, and its result is the answer to the last piece.
    ///
    /// # Errors
    /// When there are too many.
    pub fn receive<F>(&self, take: impl FnOnce(PieceReader) -> F) -> Result<u64, RequestError>
    where
        F: Future<Output = Result<(), RequestError>> + Send + 'static,
    {
        let (sender, pieces) = mpsc::channel(PIECES_WAITING);
        let done = tokio::spawn(take(PieceReader { pieces, current: Bytes::new(), is_whole: false }));
        self.open(Way::In(sender, Arc::new(tokio::sync::Mutex::new(Some(done)))))
    }

    fn way(&self, number: u64) -> Result<Way, RequestError> {
        let way = self.with(|open| {
            let open = open.get_mut(&number)?;
            open.used = Instant::now();
            Some(open.way.clone())
        });
        way.ok_or_else(|| failed("the transfer of the snapshot is over; begin again"))
    }

    /// The next piece of a transfer out.
    ///
    /// # Errors
    /// When there is no such transfer, or it broke.
    pub async fn pull(&self, number: u64) -> Result<Piece, RequestError> {
        let Way::Out(pieces) = self.way(number)? else { return Err(failed("nothing can be read from a restore")) };
        let piece = pieces.lock().await.recv().await;
        match piece {
            Some(piece @ Piece::Bytes(_)) => return Ok(piece),
            Some(Piece::End) | None => self.with(|open| open.remove(&number)),
        };
        piece.ok_or_else(|| failed("the snapshot could not be written to its end"))
    }

    /// Takes a piece of a transfer in. The answer to the last one tells what came of it.
    ///
    /// # Errors
    /// When there is no such transfer, or what was made of the pieces failed.
    pub async fn push(&self, Push { transfer, piece, .. }: Push) -> Result<(), RequestError> {
        let Way::In(pieces, done) = self.way(transfer)? else { return Err(failed("a snapshot cannot be written to")) };
        let is_end = piece == Piece::End;
        // Who takes the pieces may have seen enough: then the reason is what counts.
        let is_taken = pieces.send(piece).await.is_ok();
        if is_taken && !is_end {
            return Ok(());
        }
        let done = done.lock().await.take();
        self.with(|open| open.remove(&transfer));
        match done {
            Some(done) => done.await.map_err(|error| failed(error.to_string()))?,
            None => Err(failed("the transfer of the snapshot is over; begin again")),
        }
    }
}

fn failed(text: impl Into<String>) -> RequestError {
    RequestError::new(ErrorKind::Failed, text)
}

/// Sends what is written to it. Blocks while the other end does not keep up.
pub struct PieceWriter {
    pieces: mpsc::Sender<Piece>,
    buffer: Vec<u8>,
}

impl Write for PieceWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.buffer);
        if bytes.is_empty() {
            return Ok(());
        }
        self.pieces.blocking_send(Piece::Bytes(bytes.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Reads what comes. Blocks until there is some; it is for a thread of its own.
pub struct PieceReader {
    pieces: mpsc::Receiver<Piece>,
    current: Bytes,
    is_whole: bool,
}

impl Read for PieceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.is_whole {
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.current = bytes,
                Some(Piece::End) => self.is_whole = true,
                None => return Err(io::Error::other("the sender stopped before the end")),
            }
        }
        let count = self.current.len().min(buffer.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(transfer: u64, piece: Piece) -> Push {
        Push { transfer, token: Token::default(), piece }
    }

    #[tokio::test]
    async fn pieces_go_both_ways() {
        let transfers = Transfers::default();
        let out = transfers.send(|mut to| to.write_all(&vec![7; 3 * PIECE_BYTES + 1]).and_then(|()| to.flush()));
        let out = out.unwrap();
        let all = transfers.receive(|mut from| async move {
            let read = tokio::task::spawn_blocking(move || {
                let mut all = Vec::new();
                from.read_to_end(&mut all).map(|_| all)
            });
            let all = read.await.unwrap().map_err(|error| failed(error.to_string()))?;
            Err(failed(format!("{} bytes", all.len())))
        });
        let all = all.unwrap();
        loop {
            let piece = transfers.pull(out).await.unwrap();
            let is_end = piece == Piece::End;
            let pushed = transfers.push(push(all, piece)).await;
            if is_end {
                assert_eq!(pushed.unwrap_err().message, format!("{} bytes", 3 * PIECE_BYTES + 1));
                break;
            }
            pushed.unwrap();
        }
        assert!(transfers.pull(out).await.is_err());
        assert!(transfers.push(push(all, Piece::End)).await.is_err());
    }

    #[tokio::test]
    async fn a_restore_that_stops_halfway_is_given_up() {
        let transfers = Transfers { idle_max: Duration::from_millis(20), ..Transfers::default() };
        let (told, outcome) = tokio::sync::oneshot::channel();
        let number = transfers
            .receive(|mut from| async move {
                let read = tokio::task::spawn_blocking(move || from.read_to_end(&mut Vec::new())).await.unwrap();
                let _ = told.send(read.map_err(|error| error.to_string()));
                Ok(())
            })
            .unwrap();
        transfers.push(push(number, Piece::Bytes(Bytes::from_static(b"half")))).await.unwrap();
        assert_eq!(outcome.await.unwrap(), Err("the sender stopped before the end".to_owned()));
    }

    #[tokio::test]
    async fn what_breaks_on_the_way_out_is_no_end() {
        let transfers = Transfers::default();
        let number = transfers.send(|_| Err(io::ErrorKind::StorageFull.into())).unwrap();
        assert!(transfers.pull(number).await.is_err());
    }
}
