//! A command's side: asks the running server.

use std::io;
use std::path::Path;

use bytes::Bytes;
use syncline::SpaceId;
use syncline_any::StoreName;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::{Ask, ControlError, ControlFile, Job, identity};
use crate::failure::Failure;
use crate::output::{DATA_BYTES_MAX, Frame, Output};

/// A line to the server that has a store open.
#[derive(Debug)]
pub(crate) struct Line {
    connection: TcpStream,
    file: ControlFile,
    logs: String,
}

/// What the server answers, piece by piece.
#[derive(Debug)]
pub(crate) struct Answer {
    from: BufReader<OwnedReadHalf>,
    /// Kept open: a server that is told that nothing more comes need not wait for it.
    to: OwnedWriteHalf,
}

/// A piece of an answer.
#[derive(Debug)]
enum Piece {
    Frame(Frame),
    Data(Bytes),
}

impl Line {
    /// Calls the server that has what is at this path open, about the logs in this store.
    ///
    /// # Errors
    /// If there is no control file, or nobody answers at its address.
    pub(crate) async fn call(path: &Path, logs: &StoreName) -> io::Result<Self> {
        let file = ControlFile::read(path)?;
        let connection = TcpStream::connect(file.address).await?;
        Ok(Self { connection, file, logs: identity(logs) })
    }

    /// Has the server do a job, and passes its answer on.
    ///
    /// # Errors
    /// [`Failure::Told`] if the job failed there, [`ControlError::BrokenOff`] if the answer has no end.
    pub(crate) async fn ask(self, job: Job, out: &mut Output) -> Result<(), Failure> {
        self.begin(job).await?.pass_on(out).await
    }

    /// Has the server send a space's log.
    ///
    /// # Errors
    /// [`ControlError::BrokenOff`].
    pub(crate) async fn export(self, space: SpaceId) -> Result<Answer, Failure> {
        self.begin(Job::Export { space }).await
    }

    /// Has the server take a log, which is then [sent](Answer::send).
    ///
    /// # Errors
    /// [`ControlError::BrokenOff`].
    pub(crate) async fn import(self) -> Result<Answer, Failure> {
        self.begin(Job::Import).await
    }

    async fn begin(self, job: Job) -> Result<Answer, Failure> {
        let (from, to) = self.connection.into_split();
        let mut answer = Answer { from: BufReader::new(from), to };
        let ask = Ask { key: self.file.key, logs: self.logs, job };
        let mut ask = serde_json::to_vec(&ask).expect("a job is plain data");
        ask.push(b'\n');
        answer.send(&ask).await?;
        Ok(answer)
    }
}

impl Answer {
    /// Sends what the job takes.
    ///
    /// # Errors
    /// [`ControlError::BrokenOff`].
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.to.write_all(bytes).await.map_err(broken)?)
    }

    /// Says that nothing more is sent, and passes the answer on.
    ///
    /// # Errors
    /// As [`Line::ask`].
    pub(crate) async fn finish(mut self, out: &mut Output) -> Result<(), Failure> {
        self.to.shutdown().await.map_err(broken)?;
        self.pass_on(out).await
    }

    /// The next bytes of what was asked for, `None` if that has ended well. Lines are skipped.
    ///
    /// # Errors
    /// As [`Line::ask`].
    pub(crate) async fn data(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            match self.piece().await? {
                Some(Piece::Data(bytes)) => return Ok(Some(bytes)),
                Some(Piece::Frame(_)) => {}
                None => return Ok(None),
            }
        }
    }

    async fn pass_on(mut self, out: &mut Output) -> Result<(), Failure> {
        while let Some(piece) = self.piece().await? {
            match piece {
                Piece::Frame(frame) => out.frame(frame).await?,
                Piece::Data(bytes) => out.data(&bytes).await?,
            }
        }
        Ok(())
    }

    /// The next piece, `None` behind the last.
    async fn piece(&mut self) -> Result<Option<Piece>, Failure> {
        let mut line = String::new();
        if self.from.read_line(&mut line).await.map_err(broken)? == 0 {
            let why = "it does not know this command, or it was stopped".to_owned();
            return Err(ControlError::BrokenOff { why }.into());
        }
        match serde_json::from_str(&line).map_err(|error| broken(error.into()))? {
            Frame::End { code, message: Some(message) } => Err(Failure::Told { code, message }),
            Frame::End { .. } => Ok(None),
            Frame::Data { bytes } if bytes <= DATA_BYTES_MAX => {
                let mut data = vec![0; bytes];
                self.from.read_exact(&mut data).await.map_err(broken)?;
                Ok(Some(Piece::Data(data.into())))
            }
            frame => Ok(Some(Piece::Frame(frame))),
        }
    }
}

fn broken(error: io::Error) -> ControlError {
    ControlError::BrokenOff { why: error.to_string() }
}
