//! The server's side: takes tasks from whoever holds the key, and runs them.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use syncline::authority::accounts::{Token, TokenHash};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::file::{self, Written};
use super::{ASK_BYTES_MAX, Ask, ControlFile};
use crate::output::{Frame, Output};
use crate::secret;
use crate::stack::Stack;

/// Tasks that run at once; further ones wait.
const TASKS_MAX: usize = 8;
/// How long a connection may take to say what it wants.
const ASK_TIME_MAX: Duration = Duration::from_secs(5);

/// The open way in. Dropping it closes the way and removes the control file; tasks that still run are given up.
#[derive(Debug)]
pub(crate) struct Door {
    listener: TcpListener,
    key: TokenHash,
    _file: Written,
}

impl Door {
    /// Opens the way in to the database that this process has open.
    ///
    /// # Errors
    /// Where no loopback address, no random bits or no file beside the database are to be had.
    pub(crate) async fn open(database: &Path) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let key = Token::from_secret(secret::random()?);
        let file = ControlFile { address: listener.local_addr()?, key: key.reveal() };
        Ok(Self { listener, key: key.hash(), _file: file.write(database)? })
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
    let result = match serde_json::from_str::<Ask>(&line) {
        Ok(ask) if file::hash(&ask.key) == Some(key) => {
            tracing::info!(task = %ask.task, "administration");
            ask.task.run(stack, &mut out).await.map_err(|failure| (failure.code(), failure.to_string()))
        }
        Ok(_) => Err((1, "the running server has another key; repeat the command".to_owned())),
        // Whoever does not speak this protocol learns nothing of it, a browser least of all.
        Err(_) => return,
    };
    let end = match result {
        Ok(()) => Frame::End { code: 0, message: None },
        Err((code, message)) => Frame::End { code, message: Some(message) },
    };
    // Whoever has gone away needs no end.
    let _ = out.frame(end).await;
}
