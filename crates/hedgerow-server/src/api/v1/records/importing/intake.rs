//! A request's body as a file that another thread reads while it comes.
//!
//! Always holds: few pieces wait, and no more, so that a client sends no faster than rows are written; a body that broke off
//! never looks like one that ended; a client that stops sending is given up after its time, since a transaction waits.

use std::io::{BufRead, Error, Read, Result};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

use crate::api::v1::records::asked::MAX_DISCARDED;
use crate::respond::Failure;

/// So many pieces wait for whoever reads the file; each is what came at once, some 64 KiB.
const WAITING: usize = 4;

enum Piece {
    Data(Bytes),
    End,
}

/// The two ends: one takes the body from the client, the other is read.
pub(super) fn open(body: Body, limit: usize, patience: Duration) -> (Sending, File) {
    let (sender, pieces) = channel(WAITING);
    let file = File { pieces, piece: Bytes::new(), has_ended: false };
    (Sending { body, limit, patience, sender }, file)
}

pub(super) struct Sending {
    body: Body,
    limit: usize,
    patience: Duration,
    sender: Sender<Piece>,
}

impl Sending {
    /// Whether a body that says its length is one to begin with. A client that asks first is told before it sends anything.
    ///
    /// # Errors
    /// That it is too large.
    pub(super) async fn fits(&mut self, headers: &HeaderMap) -> std::result::Result<(), Failure> {
        let declared =
            headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if declared.is_none_or(|length: usize| length <= self.limit) {
            return Ok(());
        }
        if !headers.contains_key(header::EXPECT) {
            self.hear_out().await;
        }
        Err(Failure::TooLarge(self.limit))
    }

    /// Takes the body to its end, or until nobody reads it any more.
    ///
    /// # Errors
    /// Why the body has no end.
    pub(super) async fn run(mut self) -> std::result::Result<(), Failure> {
        let mut length = 0;
        while let Some(data) = self.next().await? {
            length += data.len();
            if length > self.limit {
                self.hear_out().await;
                return Err(Failure::TooLarge(self.limit));
            }
            if self.sender.send(Piece::Data(data)).await.is_err() {
                // It is known what is wrong with the file.
                self.hear_out().await;
                return Ok(());
            }
        }
        // Whoever does not read any more has found a mistake before the end.
        let _ = self.sender.send(Piece::End).await;
        Ok(())
    }

    async fn next(&mut self) -> std::result::Result<Option<Bytes>, Failure> {
        loop {
            let frame = timeout(self.patience, self.body.frame()).await.map_err(|_| Failure::BodyTooSlow)?;
            let Some(frame) = frame else { return Ok(None) };
            if let Ok(data) = frame.map_err(|_| Failure::BodyBroken)?.into_data() {
                return Ok(Some(data));
            }
        }
    }

    /// Reads on for a while: many clients listen for an answer only when they have sent everything.
    async fn hear_out(&mut self) {
        let patience = self.patience;
        let discard = async {
            let mut length = 0;
            while let Ok(Some(data)) = self.next().await {
                length += data.len();
                if length > MAX_DISCARDED {
                    return;
                }
            }
        };
        let _ = timeout(patience, discard).await;
    }
}

/// The body, for a thread that may wait.
pub(super) struct File {
    pieces: Receiver<Piece>,
    piece: Bytes,
    has_ended: bool,
}

impl BufRead for File {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        while self.piece.is_empty() && !self.has_ended {
            match self.pieces.blocking_recv() {
                Some(Piece::Data(data)) => self.piece = data,
                Some(Piece::End) => self.has_ended = true,
                None => return Err(Error::other("it broke off")),
            }
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, amount: usize) {
        self.piece.advance(amount);
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}
