//! A command's side: asks the running server.

use std::io;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{Ask, ControlError, ControlFile};
use crate::cli::Task;
use crate::failure::Failure;
use crate::output::{Frame, Output};

/// A line to the server that has the database open.
#[derive(Debug)]
pub(crate) struct Line {
    connection: TcpStream,
    file: ControlFile,
}

impl Line {
    /// Calls the server that has this database open.
    ///
    /// # Errors
    /// Where there is no control file, or nobody answers at its address.
    pub(crate) async fn call(database: &Path) -> io::Result<Self> {
        let file = ControlFile::read(database)?;
        let connection = TcpStream::connect(file.address).await?;
        Ok(Self { connection, file })
    }

    /// Has the server run a task, and passes its answer on.
    ///
    /// # Errors
    /// [`Failure::Told`] where the task failed there, [`ControlError::BrokenOff`] where the answer has no end.
    pub(crate) async fn ask(self, task: Task, out: &mut Output) -> Result<(), Failure> {
        let broken = |error: io::Error| ControlError::BrokenOff { why: error.to_string() };
        let (from, mut to) = self.connection.into_split();
        let mut ask = serde_json::to_vec(&Ask { key: self.file.key, task }).expect("a task is plain data");
        ask.push(b'\n');
        to.write_all(&ask).await.map_err(broken)?;
        let mut answer = BufReader::new(from).lines();
        while let Some(line) = answer.next_line().await.map_err(broken)? {
            let frame = serde_json::from_str(&line).map_err(|error| broken(error.into()))?;
            match frame {
                Frame::End { code, message: Some(message) } => return Err(Failure::Told { code, message }),
                Frame::End { .. } => return Ok(()),
                frame => out.frame(frame).await?,
            }
        }
        let why = "it does not know this command, or it was stopped".to_owned();
        Err(ControlError::BrokenOff { why }.into())
    }
}
