//! Where a command's answer goes: to this terminal, or to the process that asked for it.

use std::io::{self, IsTerminal, Write};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::net::tcp::OwnedWriteHalf;

/// Bytes that a frame announces, at most.
pub(crate) const DATA_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Frame {
    /// A line of the answer itself: standard output.
    Line(String),
    /// A line about the answer: standard error.
    Note(String),
    /// How far a long command has come.
    Progress {
        /// Steps done.
        done: u64,
        /// Steps in all.
        total: u64,
    },
    /// So many bytes follow, as they are: standard output.
    Data {
        /// How many.
        bytes: usize,
    },
    /// The last piece.
    End {
        /// The exit code.
        code: u8,
        /// What went wrong, if anything.
        message: Option<String>,
    },
}

/// Nobody reads the output any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("nobody reads the output any more")]
pub(crate) struct Gone;

/// Takes a command's answer, piece by piece.
#[derive(Debug)]
pub(crate) struct Output(Sink);

#[derive(Debug)]
enum Sink {
    Console { out: io::BufWriter<io::Stdout>, progress: Option<String> },
    Wire(BufWriter<OwnedWriteHalf>),
}

impl Output {
    /// Writes to this process's standard output and standard error.
    pub(crate) fn console() -> Self {
        Self(Sink::Console { out: io::BufWriter::new(io::stdout()), progress: None })
    }

    /// Writes to a connection, one JSON text per line.
    pub(crate) fn wire(to: OwnedWriteHalf) -> Self {
        Self(Sink::Wire(BufWriter::new(to)))
    }

    /// Writes a line of the answer.
    pub(crate) async fn line(&mut self, line: impl Into<String>) -> Result<(), Gone> {
        self.frame(Frame::Line(line.into())).await
    }

    /// Writes a line about the answer.
    pub(crate) async fn note(&mut self, note: impl Into<String>) -> Result<(), Gone> {
        self.frame(Frame::Note(note.into())).await
    }

    /// Says how far the command has come.
    pub(crate) async fn progress(&mut self, done: u64, total: u64) -> Result<(), Gone> {
        self.frame(Frame::Progress { done, total }).await
    }

    /// Writes bytes that are no text.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub(crate) async fn data(&mut self, bytes: &Bytes) -> Result<(), Gone> {
        match &mut self.0 {
            Sink::Console { out, .. } => out.write_all(bytes).map_err(|_| Gone),
            Sink::Wire(wire) => send_data(wire, bytes).await.map_err(|_| Gone),
        }
    }

    /// Writes one piece.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub(crate) async fn frame(&mut self, frame: Frame) -> Result<(), Gone> {
        match &mut self.0 {
            Sink::Console { out, progress } => show(out, progress, frame).map_err(|_| Gone),
            Sink::Wire(wire) => send(wire, &frame).await.map_err(|_| Gone),
        }
    }

    /// Brings out what is still on its way.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub(crate) async fn flush(&mut self) -> Result<(), Gone> {
        match &mut self.0 {
            Sink::Console { out, progress } => wipe(progress).and_then(|()| out.flush()).map_err(|_| Gone),
            Sink::Wire(wire) => wire.flush().await.map_err(|_| Gone),
        }
    }
}

async fn send(wire: &mut BufWriter<OwnedWriteHalf>, frame: &Frame) -> io::Result<()> {
    let mut line = serde_json::to_vec(frame)?;
    line.push(b'\n');
    wire.write_all(&line).await?;
    match frame {
        // Lines and data come in bulk; everything else is awaited by somebody.
        Frame::Line(_) | Frame::Data { .. } => Ok(()),
        _ => wire.flush().await,
    }
}

async fn send_data(wire: &mut BufWriter<OwnedWriteHalf>, bytes: &Bytes) -> io::Result<()> {
    for piece in bytes.chunks(DATA_BYTES_MAX) {
        send(wire, &Frame::Data { bytes: piece.len() }).await?;
        wire.write_all(piece).await?;
    }
    Ok(())
}

fn show(out: &mut io::BufWriter<io::Stdout>, progress: &mut Option<String>, frame: Frame) -> io::Result<()> {
    match frame {
        Frame::Line(line) => writeln!(out, "{line}"),
        Frame::Note(note) => {
            out.flush()?;
            wipe(progress)?;
            writeln!(io::stderr(), "{note}")
        }
        Frame::Progress { done, total } if io::stderr().is_terminal() => {
            let text = format!("{} of {total} bundles, {}%", done, done.saturating_mul(100) / total.max(1));
            if progress.as_ref() != Some(&text) {
                write!(io::stderr(), "\r\x1b[K{text}")?;
                *progress = Some(text);
            }
            Ok(())
        }
        Frame::Progress { .. } | Frame::Data { .. } | Frame::End { .. } => Ok(()),
    }
}

/// Takes the progress line off the terminal.
fn wipe(progress: &mut Option<String>) -> io::Result<()> {
    match progress.take() {
        Some(_) => write!(io::stderr(), "\r\x1b[K"),
        None => Ok(()),
    }
}
