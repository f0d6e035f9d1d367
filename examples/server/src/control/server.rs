//! The server's side: takes tasks from anyone who holds the key, and runs them.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use syncline::authority::accounts::{Token, TokenHash};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Take};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::file::{self, Written};
use super::{ASK_BYTES_MAX, Ask, ControlError, ControlFile, Job, identity};
use crate::carry;
use crate::failure::Failure;
use crate::output::{Frame, Output};
use crate::secret;
use crate::stack::Stack;

/// Tasks that run at once; further ones wait.
const TASKS_MAX: usize = 8;
/// How long a connection may take to say what it wants.
const ASK_TIME_MAX: Duration = Duration::from_secs(5);

/// The open way in. Dropping it closes the way and removes the control files; tasks that still run are given up.
#[derive(Debug)]
pub(crate) struct Door {
    listener: TcpListener,
    key: TokenHash,
    _files: Vec<Written>,
}

impl Door {
    /// Opens the way in to the stores at these paths, which this process has open.
    ///
    /// # Errors
    /// If no loopback address, no random bits or no file next to a store are to be had.
    pub(crate) async fn open(paths: impl IntoIterator<Item = &Path>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let key = Token::from_secret(secret::random()?);
        let file = ControlFile { address: listener.local_addr()?, key: key.reveal() };
        let files = paths.into_iter().map(|path| file.write(path)).collect::<io::Result<_>>()?;
        Ok(Self { listener, key: key.hash(), _files: files })
    }

    /// Takes tasks, for ever.
    ///
    /// # Cancel
    /// Tasks that still run are given up: each of their changes is made or not made.
    pub(crate) async fn serve(self, stack: Stack) {
        let places = Arc::new(Semaphore::new(TASKS_MAX));
        let mut tasks = JoinSet::new();
        loop {
            while tasks.try_join_next().is_some() {}
            let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
            let connection = match self.listener.accept().await {
                Ok((connection, _)) => connection,
                Err(error) => {
                    tracing::warn!(%error, "administration: a connection was not taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (stack, key) = (stack.clone(), self.key);
            tasks.spawn(async move {
                answer(connection, key, &stack).await;
                drop(place);
            });
        }
    }
}

async fn answer(connection: TcpStream, key: TokenHash, stack: &Stack) {
    let (from, to) = connection.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(from.take(ASK_BYTES_MAX));
    let read = tokio::time::timeout(ASK_TIME_MAX, reader.read_line(&mut line)).await;
    let (Ok(Ok(_)), mut out) = (read, Output::wire(to)) else { return };
    let Ok(ask) = serde_json::from_str::<Ask>(&line) else {
        // Anyone who does not speak this protocol learns nothing of it, a browser least of all.
        return;
    };
    let (is_known, is_import) = (file::hash(&ask.key) == Some(key), matches!(ask.job, Job::Import));
    let result = if is_known {
        reader.get_mut().set_limit(u64::MAX);
        run(ask, &mut reader, stack, &mut out).await.map_err(|failure| (failure.code(), failure.to_string()))
    } else {
        Err((1, "the running server has another key; repeat the command".to_owned()))
    };
    let end = match result {
        Ok(()) => Frame::End { code: 0, message: None },
        Err((code, message)) => Frame::End { code, message: Some(message) },
    };
    // Anyone who has gone away needs no end.
    let _ = out.frame(end).await;
    if is_known && is_import {
        // A connection that is closed with something unread loses the answer on its way.
        let _ = tokio::io::copy_buf(&mut reader, &mut tokio::io::sink()).await;
    }
}

async fn run(
    ask: Ask,
    from: &mut BufReader<Take<OwnedReadHalf>>,
    stack: &Stack,
    out: &mut Output,
) -> Result<(), Failure> {
    let ours = identity(&stack.place.logs);
    if ask.logs != ours {
        return Err(ControlError::OtherLogs { ours, theirs: ask.logs }.into());
    }
    tracing::info!(task = %ask.job, "administration");
    match ask.job {
        Job::Task(task) => task.run(stack, out).await,
        Job::Export { space } => carry::send(&space, stack, out).await,
        Job::Import => carry::receive(from, stack, out).await,
    }
}
